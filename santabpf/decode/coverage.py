"""Watermarks to closed seconds, and what was watched in them. Pure bookkeeping, no frames.

A second is closed when every table's watermark has passed its end: nothing of it can come any more. Rows that come
all the same are counted as late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ..units import SECOND, second_of


@dataclass
class Watch:
    """One table: since when it is watched, how far it is known, and the rows of its open seconds."""

    probe: str
    table: str
    since_ns: int
    watermark_ns: int
    until_ns: int | None = None  # it was watched to here only: its probe died
    rows: dict[int, int] = field(default_factory=dict)  # by number of the second
    late: int = 0


class Coverage:
    """The watches of one recording. `tick` is the watermark of what the elf says of itself."""

    def __init__(self, armed_ns: int) -> None:
        self.armed_ns = self.tick_ns = armed_ns
        self.closed_until_ns = second_of(armed_ns)
        self.has_closed = False  # a second in which anything was watched
        self._watches: dict[str, Watch] = {}
        self._points: dict[str, Watch] = {}  # tables that are read once, at the start

    def watch(self, probe: str, table: str, *, once: bool = False) -> None:
        """A table that is watched from now on. One that is read once holds nothing up."""
        (self._points if once else self._watches)[table] = Watch(probe, table, self.armed_ns, self.armed_ns)

    def since(self, table: str, ts_ns: int) -> None:
        """The table's first reading: it is watched from here, not from the arming."""
        for watch in self._of(table):
            watch.since_ns = watch.watermark_ns = max(ts_ns, self.armed_ns)
            if table in self._points:
                watch.until_ns = watch.since_ns

    def advance(self, table: str, ts_ns: int) -> None:
        """All rows of this table that ended before ts_ns have come."""
        for watch in self._of(table):
            watch.watermark_ns = max(watch.watermark_ns, ts_ns)

    def stop(self, table: str) -> int:
        """The table is watched no more; it holds nothing up. Returns to when it was."""
        for watch in self._of(table):
            if watch.until_ns is None:
                watch.until_ns = watch.watermark_ns
                self._points.pop(table, None)
            return watch.until_ns
        return self.armed_ns

    def count(self, table: str, rows: pa.RecordBatch) -> int:
        """Add rows to the seconds in which they ended. Returns how many were late."""
        closed, late = self.closed_until_ns // SECOND, 0
        for watch in self._of(table):
            for second, count in _per_second(rows).items():
                if second < closed:
                    late += count
                else:
                    watch.rows[second] = watch.rows.get(second, 0) + count
            watch.late += late
        return late

    @property
    def known_until_ns(self) -> int:
        """To here nothing more can come, of any table."""
        return min([self.tick_ns, *(w.watermark_ns for w in self._watches.values() if w.until_ns is None)])

    @property
    def can_close(self) -> bool:
        """Close() would close a second."""
        return self.known_until_ns >= self.closed_until_ns + SECOND

    def close(self) -> list[dict[str, Any]]:
        """Close what can be closed; the coverage rows of those seconds."""
        return self._close(second_of(self.known_until_ns))

    def finish(self) -> list[dict[str, Any]]:
        """Nothing more comes: close all, each table as far as it is known."""
        for table in self._watches:
            self.stop(table)
        ends = [self.closed_until_ns, *(w.watermark_ns for w in self._watches.values())]
        ends += [w.until_ns + 1 for w in self._points.values() if w.until_ns is not None]
        rows = self._close(-(-max(ends) // SECOND) * SECOND)
        return rows + [_row(watch, watch.watermark_ns, 0, 0) for watch in self._watches.values() if watch.late]

    def _close(self, until_ns: int) -> list[dict[str, Any]]:
        rows = []
        for start_ns in range(self.closed_until_ns, until_ns, SECOND):
            for watch in self._watches.values():
                end_ns = start_ns + SECOND if watch.until_ns is None else min(start_ns + SECOND, watch.until_ns)
                span_ns = end_ns - max(start_ns, watch.since_ns)
                count = watch.rows.pop(start_ns // SECOND, 0)
                if span_ns > 0:
                    rows.append(_row(watch, end_ns, span_ns, count))
            for table, watch in list(self._points.items()):
                if watch.until_ns is not None and watch.until_ns < start_ns + SECOND:
                    rows.append(_row(watch, watch.until_ns, 0, sum(watch.rows.values())))
                    del self._points[table]
        self.closed_until_ns = max(self.closed_until_ns, until_ns)
        self.has_closed = self.has_closed or bool(rows)
        return rows

    def _of(self, table: str) -> list[Watch]:
        watch = self._watches.get(table) or self._points.get(table)
        return [watch] if watch else []


def _row(watch: Watch, ts_ns: int, span_ns: int, rows: int) -> dict[str, Any]:
    late, watch.late = watch.late, 0
    return {
        "ts_ns": ts_ns, "span_ns": span_ns, "probe": watch.probe, "table": watch.table, "rows": rows, "late": late,
    }  # fmt: skip


def _per_second(rows: pa.RecordBatch) -> dict[int, int]:
    """How many rows belong to each second: the one they ended in, by the middle of their span if they have one."""
    ts_ns = rows.column("ts_ns").to_numpy()
    if "span_ns" in rows.schema.names:
        ts_ns = ts_ns - rows.column("span_ns").to_numpy() // 2
    if not len(ts_ns):
        return {}
    first, last = int(ts_ns.min()) // SECOND, int(ts_ns.max()) // SECOND
    if first == last:
        return {first: len(ts_ns)}
    seconds, counts = np.unique(ts_ns // SECOND, return_counts=True)
    return dict(zip(seconds.tolist(), counts.tolist(), strict=True))
