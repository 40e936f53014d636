"""Readings of BPF maps and of /proc files to rows. The first reading is a baseline; each later one gives rows.

A reading may come in several frames with the same time. What a frame does not mention is as it was.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from ..probes import Probe, Table
from ..probes.procfs import Facts, Rows
from ..schema import Column
from ..wire import BadFrame, unpack_files
from .cgroups import Cgroups
from .columns import INT64_MAX, Stats, Values, as_read, numpy_field, record_batch, to_arrow
from .times import Clock, Readings, Span


def _padded(count: int) -> int:
    return (count + 7) // 8 * 8


class MapTable:
    """Readings of one map: rows of key and cumulative values per CPU -> what each key's values grew by.

    A value that went back started anew: all of it counts; a row of zeros says that the key was taken out of the map.
    Keys that grew by nothing give no row. A peak is the largest of all CPUs, a text that of the first CPU that has one;
    both are as they stand now. Where one CPU has the number of `unknown`, the key's value is null. With selfcheck a
    counter of its own comes after the values (a test build).
    """

    def __init__(self, table: Table, key_bytes: int, value_bytes: int, *, selfcheck: bool = False) -> None:
        self.table = table
        self._keys = np.dtype([numpy_field(column) for column in table.keys])
        self._values = np.dtype([numpy_field(column) for column in table.values])
        own_bytes = self._values.itemsize + 8 * selfcheck
        if (key_bytes, value_bytes) != (self._keys.itemsize, own_bytes):
            raise ValueError(
                f"table {table.name}: the plan says {key_bytes} + {value_bytes} bytes, "
                f"its columns make {self._keys.itemsize} + {own_bytes}"
            )
        fields = [numpy_field(column) for column in table.values]
        fields += [("_check", "<u8")] if selfcheck else []
        self._padded_values = np.dtype([*fields, ("_pad", f"V{-value_bytes % 8}")] if value_bytes % 8 else fields)
        self.readings = Readings()
        self._seen: dict[bytes, tuple[Any, ...]] = {}

    def read(self, payload: bytes, utc_ns: int, cpus: int, clock: Clock, stats: Stats) -> pa.RecordBatch | None:
        """The rows of one frame; None for a baseline or if nothing grew. Raises BadFrame."""
        entries = self._entries(payload, cpus)
        span = self.readings.at(utc_ns)
        keys = [raw[: self._keys.itemsize] for raw in entries["key"].tolist()]
        totals = zip(*(_over_cpus(c, entries["values"][c.name]) for c in self.table.values), strict=True)
        now = dict(zip(keys, totals, strict=True))
        grown = {} if not span.span_ns else self._grown(now)
        for key, values in now.items():
            if any(values):
                self._seen[key] = values
            else:
                self._seen.pop(key, None)
        return self._batch(grown, span, clock, stats) if grown else None

    def named(self, rows: pa.RecordBatch, cgroups: Cgroups) -> pa.RecordBatch:
        """The rows with the columns that are made from their cgroup ids, which read() leaves empty."""
        schema = self.table.schema
        ids = {c.of: rows[c.of].fill_null(0).to_numpy(zero_copy_only=False) for c in schema.columns if c.of}
        arrays = dict(zip(rows.schema.names, rows.columns, strict=True))
        return record_batch(schema, arrays | cgroups.columns(schema, ids), rows.num_rows)

    def _entries(self, payload: bytes, copies: int) -> Values:
        entry = np.dtype([("key", f"V{_padded(self._keys.itemsize)}"), ("values", self._padded_values, (copies,))])
        if len(payload) % entry.itemsize:
            raise BadFrame(f"{self.table.name}: {len(payload)} bytes are no multiple of {entry.itemsize}")
        return np.frombuffer(payload, entry)

    def _grown(self, now: dict[bytes, tuple[Any, ...]]) -> dict[bytes, tuple[Any, ...]]:
        counts = [column.cumulative for column in self.table.values]
        zeros = (0,) * len(counts)
        out = {}
        for key, values in now.items():
            before = self._seen.get(key, zeros)
            if values != before:
                both = zip(values, before, counts, strict=True)
                out[key] = tuple(_growth(new, old) if is_count else new for new, old, is_count in both)
        return {key: values for key, values in out.items() if any(itertools.compress(values, counts))}

    def _batch(self, grown: dict[bytes, tuple[Any, ...]], span: Span, clock: Clock, stats: Stats) -> pa.RecordBatch:
        keys = np.frombuffer(b"".join(grown), self._keys)
        arrays = {c.name: to_arrow(c, keys[c.name], clock, stats) for c in self.table.keys if c.kind != "pad"}
        for column, values in zip(self.table.values, zip(*grown.values(), strict=True), strict=True):
            if column.kind == "text":
                arrays[column.name] = to_arrow(column, np.array(values, column.numpy_type), clock, stats)
            else:
                arrays[column.name] = pa.array(values, column.arrow_type)
        arrays["ts_ns"] = pa.array(np.full(len(grown), span.ts_ns, np.int64))
        arrays["span_ns"] = pa.array(np.full(len(grown), span.span_ns, np.int64))
        return record_batch(self.table.schema, arrays, len(grown))


def _growth(new: int | None, old: int | None) -> int | None:
    """Of a count; null stays null."""
    return new if new is None or old is None or new < old else new - old


def _over_cpus(column: Column, per_cpu: Values) -> list[Any]:
    """What each key's values come to; None where a CPU has the number that means unknown."""
    if column.unknown is not None and column.kind != "text":
        unknown = (per_cpu == as_read(column)).any(axis=1).tolist()
        numbers = _over_cpus(replace(column, unknown=None), per_cpu)
        return [None if is_unknown else n for n, is_unknown in zip(numbers, unknown, strict=True)]
    if column.kind == "text":
        return [next(filter(None, texts), b"") for texts in per_cpu.tolist()]
    if column.peak:
        largest = per_cpu.view(f"u{per_cpu.dtype.itemsize}").max(axis=1).tolist()
        return [min(number, INT64_MAX) for number in largest]
    return _sum(per_cpu)


def _sum(per_cpu: Values) -> list[int]:
    """Over CPUs, without ever wrapping: what does not fit int64 is its largest value."""
    if per_cpu.dtype.itemsize < 8:
        return per_cpu.astype(np.int64).sum(axis=1).tolist()  # type: ignore[no-any-return]
    bits = per_cpu.view(np.uint64)
    low, high = (bits & np.uint64(0xFFFFFFFF)).sum(axis=1).tolist(), (bits >> np.uint64(32)).sum(axis=1).tolist()
    return [min((upper << 32) + lower, INT64_MAX) for upper, lower in zip(high, low, strict=True)]


class SnapshotTable(MapTable):
    """Readings of what stands now: each gives a row for each key of the map, with its values as they are."""

    def read(self, payload: bytes, utc_ns: int, cpus: int, clock: Clock, stats: Stats) -> pa.RecordBatch | None:
        """The rows of one frame; None if nothing stands. Raises BadFrame."""
        entries = self._entries(payload, 1)
        span = self.readings.at(utc_ns)
        if not len(entries) or not span.span_ns:
            return None
        keys = np.frombuffer(b"".join(raw[: self._keys.itemsize] for raw in entries["key"].tolist()), self._keys)
        arrays = {c.name: to_arrow(c, keys[c.name], clock, stats) for c in self.table.keys if c.kind != "pad"}
        for column in self.table.values:
            if column.kind != "pad":
                arrays[column.name] = to_arrow(column, entries["values"][column.name][:, 0], clock, stats)
        arrays["ts_ns"] = pa.array(np.full(len(entries), span.ts_ns, np.int64))
        arrays["span_ns"] = pa.array(np.full(len(entries), span.span_ns, np.int64))
        return record_batch(self.table.schema, arrays, len(entries))


class ProcTable:
    """Readings of /proc files -> rows, by the parse.py of the probe."""

    def __init__(self, probe: Probe, table: Table) -> None:
        self.table = table
        self._parse = probe.parse
        self.readings = Readings()
        self._before: dict[str, bytes] = {}

    def read(self, payload: bytes, utc_ns: int, facts: Facts) -> pa.RecordBatch | None:
        """The rows of one frame; None for a baseline, or if there is nothing to say. Raises BadFrame."""
        files = unpack_files(payload)
        if self.table.when == "start":
            return self._batch(files, None, Span(utc_ns, 0), facts)
        span = self.readings.at(utc_ns)
        batch = self._batch(files, self._before, span, facts) if span.span_ns else None
        self._remember(files)
        return batch

    def _remember(self, files: dict[str, bytes]) -> None:
        """Keep the last files of each process and cgroup; an empty one, or "<path>/", says that it is gone."""
        for name, text in files.items():
            if name.endswith("/"):
                for known in [n for n in self._before if n.rpartition("/")[0] == name[:-1]]:
                    del self._before[known]
            elif text or not self.table.each_process:
                self._before[name] = text
            else:
                self._before.pop(name, None)

    def _batch(
        self, files: dict[str, bytes], before: dict[str, bytes] | None, span: Span, facts: Facts
    ) -> pa.RecordBatch | None:
        try:
            columns: Rows = self._parse(files, before, span.ts_ns, span.span_ns, facts)
            arrays: dict[str, Any] = {
                name: pa.array(values, self.table.schema[name].arrow_type) for name, values in columns.items()
            }
            rows = len(columns["ts_ns"])
            return record_batch(self.table.schema, arrays, rows) if rows else None
        except (ValueError, LookupError, TypeError, OverflowError) as exc:
            raise BadFrame(f"{self.table.name}: its files can't be read: {type(exc).__name__}: {exc}") from exc
