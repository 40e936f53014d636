"""What an elf says of itself, once a second, to rows of loss, receipt and clock.

In: the JSON of HELLO and TICK, whose counters are cumulative. Out: plain rows. Never trusts a number it did not check.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..probes import Probe
from ..units import MS, SECOND
from .said import mapping, number, text
from .times import Span

Row = dict[str, Any]
#: A change of the node's UTC clock against its monotonic clock that is more than slewing.
STEP_NS = 100 * MS
COUNTERS = ("reserve_failed", "map_full", "buffer_dropped")
PARTS = ("elf", "compiler", "transport")


class Counters:
    """Cumulative counters -> what each grew by since it was last seen; null stays null."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], int] = {}

    def grown(self, value: Any, *key: str) -> int | None:
        """The growth. A counter that went back started anew: all of it counts."""
        now = number(value, ".".join(key))
        if now is None:
            return None
        before = self._seen.get(key, 0)
        self._seen[key] = now
        return now - before if now >= before else now


class Loss:
    """Rows of loss. What the programs of a probe missed is shown on its first table."""

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._probes, self._counters, self._first = {probe.name: probe for probe in probes}, Counters(), True
        self.mappings_lost = 0  # records that the kernel had no room for, since the last tick

    def rows(self, tick: dict[str, Any], span: Span) -> list[Row]:
        """One row for each table that lost; at the first tick also where the kernel can't tell."""
        lost = mapping(tick.get("loss"), "loss")
        missed = self._missed(mapping(tick.get("programs"), "programs"))
        out = []
        for name, probe in self._probes.items():
            for table in (t.name for t in probe.tables):
                counts = mapping(lost.get(table), f"loss.{table}")
                row = {counter: self._counters.grown(counts.get(counter, 0), table, counter) for counter in COUNTERS}
                shown = table == probe.tables[0].name
                row["prog_missed"] = missed[name] if shown or missed[name] is None else 0
                cannot_tell = self._first and any(v is None for n, v in row.items() if shown or n != "prog_missed")
                if any(row.values()) or cannot_tell:
                    out.append({"ts_ns": span.ts_ns, "span_ns": span.span_ns, "table": table, **row})
        self._first = False
        counts = mapping(lost.get("mappings"), "loss.mappings")
        row = {counter: self._counters.grown(counts.get(counter, 0), "mappings", counter) for counter in COUNTERS}
        row["reserve_failed"], self.mappings_lost = (row["reserve_failed"] or 0) + self.mappings_lost, 0
        if any(row.values()):
            out.append({"ts_ns": span.ts_ns, "span_ns": span.span_ns, "table": "mappings", **row, "prog_missed": 0})
        return out

    def _missed(self, programs: dict[str, Any]) -> dict[str, int | None]:
        """Per probe, how often one of its programs was skipped: null unless each could be told, or some was."""
        out: dict[str, int | None] = {}
        for probe in self._probes.values():
            ours = [name for name in programs if name.partition("/")[0] == probe.name]
            missed = [self._counters.grown(mapping(programs[n], n).get("missed"), n, "missed") for n in ours]
            total = sum(filter(None, missed))
            cannot_tell = bool(probe.attach) and (not missed or None in missed)
            out[probe.name] = None if cannot_tell and not total else total
        return out


class Receipt:
    """Rows of receipt: what each part of the elf, and each program, cost. The first row holds the start as well."""

    def __init__(self) -> None:
        self._counters = Counters()

    def rows(self, tick: dict[str, Any], span: Span) -> list[Row]:
        """One row for each part of which anything is known; the compiler's only while it costs something."""
        out = []
        parts, programs = mapping(tick.get("parts"), "parts"), mapping(tick.get("programs"), "programs")
        for part in PARTS:
            if part in parts:
                row = self._row(part, mapping(parts[part], part), ("user_ns", "system_ns", "sent_bytes"))
                row["private_bytes"] = number(mapping(parts[part], part).get("private_bytes"), "private_bytes")
                out.append(row)
        for name in sorted(programs):
            out.append(self._row(f"program:{text(name)}", mapping(programs[name], name), ("runs", "run_ns")))
        return [
            {"ts_ns": span.ts_ns, "span_ns": span.span_ns, **row}
            for row in out
            if any(v or (v is not None and row["part"] != "compiler") for key, v in row.items() if key != "part")
        ]

    def _row(self, part: str, values: dict[str, Any], names: Iterable[str]) -> Row:
        return {"part": part, **{name: self._counters.grown(values.get(name), part, name) for name in names}}


class Clocks:
    """Rows of clock, and the steps of the node's UTC clock. The offset of the recording stays the first one."""

    def __init__(self, mono_ns: int, real_ns: int, error_ns: int) -> None:
        self.offset_ns = self._epoch_offset_ns = real_ns - mono_ns
        self.epoch = 0
        self._before_ns = real_ns
        self.first = self._row(real_ns, "node", self.offset_ns, error_ns)

    def node(self, mono_ns: int, real_ns: int, error_ns: int) -> tuple[Row, Row | None]:
        """The row of one reading, and a row of gaps where the clock was stepped since the one before."""
        ts_ns, offset_ns, gap = mono_ns + self.offset_ns, real_ns - mono_ns, None
        step_ns = offset_ns - self._epoch_offset_ns
        if abs(step_ns) > STEP_NS + error_ns:
            self.epoch += 1
            self._epoch_offset_ns = offset_ns
            detail = f"the node's UTC clock was set by {step_ns / SECOND:+.3f} s; times here keep its first setting"
            gap = {"ts_ns": self._before_ns, "end_ns": ts_ns, "reason": "clock_step", "detail": detail}
        self._before_ns = ts_ns
        return self._row(ts_ns, "node", offset_ns, error_ns), gap

    def santa(self, mono_ns: int, real_ns: int, received_ns: int, rtt_ns: int | None) -> Row:
        """The node's clock against Santa's, when a frame read at real_ns was received.

        Half the round trip is taken as the way here; where it is not known, the offset is too low by that way.
        """
        way_ns = 0 if rtt_ns is None else rtt_ns // 2
        row = self._row(mono_ns + self.offset_ns, "santa", real_ns + way_ns - received_ns, 0)
        return row | {"error_ns": None if rtt_ns is None else way_ns}

    def _row(self, ts_ns: int, against: str, offset_ns: int, error_ns: int) -> Row:
        return {
            "ts_ns": ts_ns, "against": against, "offset_ns": offset_ns, "error_ns": error_ns, "epoch": self.epoch,
        }  # fmt: skip
