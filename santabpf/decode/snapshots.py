"""Readings of BPF maps and of /proc files to rows. The first reading is a baseline; each later one gives rows.

A reading may come in several frames with the same time. What a frame does not mention is as it was.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pyarrow as pa

from ..probes import Probe, Table
from ..probes.procfs import Facts, Rows
from ..wire import BadFrame, unpack_files
from .columns import INT64_MAX, Stats, Values, numpy_field, record_batch, to_arrow
from .times import Clock, Readings, Span


def _padded(count: int) -> int:
    return (count + 7) // 8 * 8


class MapTable:
    """Readings of one map: rows of key and cumulative values per CPU -> what each key's values grew by.

    A value that went back started anew: all of it counts. Keys that grew by nothing give no row.
    """

    def __init__(self, table: Table, key_bytes: int, value_bytes: int) -> None:
        self.table = table
        self._keys = np.dtype([numpy_field(column) for column in table.keys])
        self._values = np.dtype([numpy_field(column) for column in table.values])
        if (key_bytes, value_bytes) != (self._keys.itemsize, self._values.itemsize):
            raise ValueError(
                f"table {table.name}: the plan says {key_bytes} + {value_bytes} bytes, "
                f"its columns make {self._keys.itemsize} + {self._values.itemsize}"
            )
        fields = [numpy_field(column) for column in table.values]
        self._padded_values = np.dtype([*fields, ("_pad", f"V{-value_bytes % 8}")] if value_bytes % 8 else fields)
        self.readings = Readings()
        self._seen: dict[bytes, tuple[int, ...]] = {}

    def read(self, payload: bytes, utc_ns: int, cpus: int, clock: Clock, stats: Stats) -> pa.RecordBatch | None:
        """The rows of one frame; None for a baseline or if nothing grew. Raises BadFrame."""
        key_bytes = self._keys.itemsize
        entry = np.dtype([("key", f"V{_padded(key_bytes)}"), ("values", self._padded_values, (cpus,))])
        if len(payload) % entry.itemsize:
            raise BadFrame(f"{self.table.name}: {len(payload)} bytes are no multiple of {entry.itemsize}")
        entries = np.frombuffer(payload, entry)
        span = self.readings.at(utc_ns)
        keys = [raw[:key_bytes] for raw in entries["key"].tolist()]
        totals = zip(*(_sum(entries["values"][c.name]) for c in self.table.values), strict=True)
        now = dict(zip(keys, totals, strict=True))
        grown = {} if not span.span_ns else self._grown(now)
        self._seen |= now
        return self._batch(grown, span, clock, stats) if grown else None

    def _grown(self, now: dict[bytes, tuple[int, ...]]) -> dict[bytes, tuple[int, ...]]:
        zeros = (0,) * len(self.table.values)
        out = {}
        for key, values in now.items():
            before = self._seen.get(key, zeros)
            if values != before:
                pairs = zip(values, before, strict=True)
                out[key] = tuple(new - old if new >= old else new for new, old in pairs)
        return {key: values for key, values in out.items() if any(values)}

    def _batch(self, grown: dict[bytes, tuple[int, ...]], span: Span, clock: Clock, stats: Stats) -> pa.RecordBatch:
        keys = np.frombuffer(b"".join(grown), self._keys)
        arrays = {c.name: to_arrow(c, keys[c.name], clock, stats) for c in self.table.keys}
        for column, values in zip(self.table.values, zip(*grown.values(), strict=True), strict=True):
            arrays[column.name] = pa.array(values, column.arrow_type)
        arrays["ts_ns"] = pa.array(np.full(len(grown), span.ts_ns, np.int64))
        arrays["span_ns"] = pa.array(np.full(len(grown), span.span_ns, np.int64))
        return record_batch(self.table.schema, arrays, len(grown))


def _sum(per_cpu: Values) -> list[int]:
    """Over CPUs, without ever wrapping: what does not fit int64 is its largest value."""
    if per_cpu.dtype.itemsize < 8:
        return per_cpu.astype(np.int64).sum(axis=1).tolist()  # type: ignore[no-any-return]
    bits = per_cpu.view(np.uint64)
    low, high = (bits & np.uint64(0xFFFFFFFF)).sum(axis=1).tolist(), (bits >> np.uint64(32)).sum(axis=1).tolist()
    return [min((upper << 32) + lower, INT64_MAX) for upper, lower in zip(high, low, strict=True)]


class ProcTable:
    """Readings of /proc files -> rows, by the parse.py of the probe."""

    def __init__(self, probe: Probe, table: Table) -> None:
        self.table = table
        self._parse = importlib.import_module(f"santabpf.probes.{probe.name}.parse").rows
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
        """Keep each process's last files; an empty one says that the process is gone."""
        for name, text in files.items():
            if text or not self.table.each_process:
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
