"""What a recording kept, what it says it lost, and what happened, table by table.

In: the frames of an elf whose plan is a test build (selfcheck): each ring record carries one counter first and last,
each value of a map one more that grows with it, and the programs count their events where nobody drains them. Out:
numbers. Never: keeps a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from real_elf import record_type

from santabpf import wire
from santabpf.probes import Table, table_probe
from santabpf.schema import Column


class Account(NamedTuple):
    """Of one table, from the first event to the last."""

    kept: int
    lost: int
    truth: int
    broken: int  # records that are torn, of another length, without a time, or with more than their texts

    @property
    def is_sound(self) -> bool:
        """Nothing is broken, and all that happened was kept or counted as lost."""
        return not self.broken and self.kept + self.lost == self.truth


def leaking(rows: np.ndarray[Any, Any], columns: Sequence[Column]) -> int:
    """How many texts have bytes behind their first NUL: what the kernel's memory held before is nobody's business."""
    count = 0
    for column in columns:
        if column.kind in ("text", "qname"):
            text = np.ascontiguousarray(rows[column.name]).view(np.uint8).reshape(-1, column.c_bytes)
            count += int((np.logical_or.accumulate(text == 0, axis=1) & (text != 0)).any(axis=1).sum())
    return count


class RingTally:
    """Counts the records of one ring as they come."""

    def __init__(self, table: str, table_id: int) -> None:
        self.kept = self.torn = self.misplaced = self.leaking = 0
        self._type, self._id = record_type(table, selfcheck=True), table_id
        probe = table_probe(table)
        assert probe is not None
        self._columns = next(t for t in probe.tables if t.name == table).schema.fields

    def __call__(self, frame: wire.Frame) -> bool:
        if frame.kind != wire.RING or frame.table != self._id:
            return False
        rows: np.ndarray[Any, Any] = np.frombuffer(frame.payload, self._type)
        self.kept += len(rows)
        self.torn += int((rows["check_first"] != rows["check_last"]).sum())
        self.misplaced += int((rows["length"] != self._type.itemsize - 8).sum() + (rows["ts_ns"] == 0).sum())
        self.leaking += leaking(rows, self._columns)
        return True


class MapTally:
    """The sums of a map's columns over all keys and CPUs, also of keys that made room; `check` is the test's own."""

    def __init__(self, table: Table) -> None:
        with open("/sys/devices/system/cpu/possible") as stream:
            self._cpus = int(stream.read().strip().split("-")[-1]) + 1
        self._table = table
        self._names = [c.name for c in table.values if c.cumulative] + ["check"]
        self._last: dict[bytes, dict[str, int]] = {}
        self.sums = dict.fromkeys(self._names, 0)
        self.leaking = 0

    def take(self, payload: bytes, cpus: int | None = None) -> None:
        """One reading, or a part of one."""
        rows = np.frombuffer(payload, self._row(cpus or self._cpus))
        self.leaking += leaking(rows["key"], self._table.keys) + leaking(rows["values"].ravel(), self._table.values)
        for key, values in rows:
            now = {name: int(values[name].sum()) for name in self._names}
            before = self._last.get(key.tobytes(), dict.fromkeys(self._names, 0))
            if now["check"]:
                self.sums = {name: self.sums[name] + now[name] - before[name] for name in self._names}
            self._last[key.tobytes()] = now  # a row of zeros: the key is gone, and counts from zero should it come back

    def _row(self, cpus: int) -> np.dtype[Any]:
        keys = [(c.name, c.numpy_type) for c in self._table.keys]
        key_bytes = sum(c.c_bytes for c in self._table.keys)
        key = np.dtype([*keys, ("end", f"V{-key_bytes % 8}")])
        value = np.dtype([*((c.name, c.numpy_type) for c in self._table.values), ("check", "<u8")])
        return np.dtype([("key", key), ("values", value, (cpus,))])


class Accounts:
    """All tables of a plan that count something."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._rings: dict[str, RingTally] = {}
        self._maps: dict[str, MapTally] = {}
        self._ids: dict[int, str] = {}
        self._last: dict[str, Any] = {}
        self._cpus = 0
        for row in (row for probe in plan["probes"] for row in probe["tables"]):
            probe = table_probe(row["name"])
            assert probe is not None
            table = next(t for t in probe.tables if t.name == row["name"])
            self._ids[row["id"]] = table.name
            if table.source == "ring":
                self._rings[table.name] = RingTally(table.name, row["id"])
            elif self.has(table):
                self._maps[table.name] = MapTally(table)

    @staticmethod
    def has(table: Table) -> bool:
        """Does it count what happens? One that is read out of /proc, or tells what stands now, does not."""
        return table.source == "ring" or (table.source == "map" and not table.snapshot)

    def take(self, frame: wire.Frame) -> None:
        """One frame of the elf's."""
        if frame.kind == wire.HELLO:
            self._cpus = frame.json()["possible_cpus"]
        elif frame.kind == wire.TICK:
            self._last = frame.json()
        elif frame.kind == wire.RING:
            self._rings[self._ids[frame.table]](frame)
        elif frame.kind == wire.MAP and (name := self._ids.get(frame.table)) in self._maps:
            self._maps[name].take(frame.payload, self._cpus)

    def told(self) -> dict[str, Account]:
        """Each table that the node could give."""
        out = {}
        for name, truth in self._last["truth"].items():
            loss = sum(self._last["loss"][name].values())
            if name in self._rings:
                ring = self._rings[name]
                out[name] = Account(ring.kept, loss, truth, ring.torn + ring.misplaced + ring.leaking)
            elif name in self._maps:
                out[name] = Account(self._maps[name].sums["check"], loss, truth, self._maps[name].leaking)
        return out


def assert_sound(tally: RingTally, loss: dict[str, int], truth: int) -> None:
    """Nothing is torn, no text leaks, and what was kept and what was lost add up."""
    assert (tally.torn, tally.misplaced, tally.leaking) == (0, 0, 0)
    assert tally.kept + loss["reserve_failed"] + loss["buffer_dropped"] == truth
