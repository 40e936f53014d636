"""Monotonic time to UTC, and readings to spans. Never reads a clock."""

from __future__ import annotations

from typing import NamedTuple

from ..units import MS, SECOND
from ..wire import BadFrame

#: A reading this near to a UTC second edge stands for the edge itself.
EDGE_NS = 50 * MS
#: No time beyond this is believed (2**62 ns is the year 2116); sums of two stay within int64.
LIMIT_NS = 1 << 62


class Clock(NamedTuple):
    """The one offset of a recording, and the tick to which /proc knows the start of a process."""

    offset_ns: int
    tick_ns: int


class Span(NamedTuple):
    """One reading: the time that ends with it. A span of 0 is a baseline."""

    ts_ns: int
    span_ns: int


def edge(ts_ns: int) -> int:
    """The UTC second edge within 50 ms of ts_ns; ts_ns itself where there is none."""
    near = (ts_ns + SECOND // 2) // SECOND * SECOND
    return near if abs(near - ts_ns) <= EDGE_NS else ts_ns


class Readings:
    """Readings of one source, one after the other: each gives the span since the one before it.

    Two frames read at the same instant are parts of one reading and get the same span.
    """

    def __init__(self, start_ns: int | None = None) -> None:
        self._read_ns = start_ns
        self.span: Span | None = None if start_ns is None else Span(start_ns, 0)

    def at(self, utc_ns: int) -> Span:
        """The span that ends with this reading; the first is a baseline. Raises BadFrame when time runs back."""
        if self.span is None or self._read_ns is None:
            self._read_ns, self.span = utc_ns, Span(utc_ns, 0)
        elif utc_ns < self._read_ns:
            raise BadFrame(f"a reading is {self._read_ns - utc_ns} ns older than the one before it")
        elif utc_ns > self._read_ns:
            before = self.span.ts_ns
            ts_ns = edge(utc_ns) if edge(utc_ns) > before else max(utc_ns, before + 1)
            self._read_ns, self.span = utc_ns, Span(ts_ns, ts_ns - before)
        return self.span
