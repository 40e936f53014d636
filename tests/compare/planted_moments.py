"""Recordings with known rates: so many rows a second of each kind, spread by chance, and what is planted among them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from synthetic import MS, START, S

from santabpf.probes import all_probes, get_probe
from santabpf.recording import Writer
from santabpf.tables import frame_tables, table_schema

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def by_chance(
    seed: int, seconds: int, a_second: float, row: Mapping[str, Any], start: int = START
) -> list[dict[str, Any]]:
    """Rows like this one, as events that come by chance: so many a second on average."""
    rng, out, at = random.Random(seed), [], float(start)
    while (at := at + rng.expovariate(a_second) * S) < start + seconds * S:
        varied = {name: value(rng) if callable(value) else value for name, value in row.items()}
        out.append({"ts_ns": int(at), **varied})
    return out


def moment(path: Path, seconds: int, rows: Rows, probes: Sequence[str] = (), start: int = START) -> Path:
    """A recording of so many whole seconds, in which every table of these probes was watched all the time."""
    needed = sorted({*probes, *(p.name for p in all_probes().values() for t in p.tables if t.name in rows)})
    info = {
        "nodes": {"node-1": {"kernel": "6.18", "machine": "x86_64", "cpus": 2, "clock_tick_hz": 100, "page_bytes": 4096,
                             "memory_bytes": 4 << 30, "boot_id": "0" * 32, "cgroup_version": 2}},
        "probes": {name: {"params": {"hz": 49}, "state": "on", "why": None} for name in needed},
        "scenarios": [], "created_ns": start,
    }
    watched = [(table.name, name) for name in needed for table in get_probe(name).tables]
    coverage = [{"ts_ns": start + (second + 1) * S, "span_ns": S, "probe": probe, "table": table, "rows": 0, "late": 0}
                for second in range(seconds) for table, probe in watched]
    made = {**rows, "coverage": coverage}
    tables = [*(name for name, _ in watched), *(name for name in rows if name in frame_tables())]
    with Writer(path, info=info, tables=tables) as writer:
        for name, each in made.items():
            if each:
                writer.append("node-1", name, batch(name, each))
    return path


def batch(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """All declared columns, null where a row says nothing; by time."""
    schema = table_schema(name).arrow
    ordered = sorted(rows, key=lambda row: row["ts_ns"])
    columns = [pa.array([row.get(field.name) for row in ordered], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


__all__ = ["MS", "START", "Rows", "S", "batch", "by_chance", "moment"]
