"""Recordings with known rates: so many rows a second of each kind, spread by chance, and what is planted among them."""

from __future__ import annotations

import random
from collections import Counter
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
    counts = Counter((name, int((row["ts_ns"] - start - 1) // S)) for name, each in rows.items() for row in each)
    watched = [(table.name, name) for name in needed for table in get_probe(name).tables]
    coverage = [{"ts_ns": start + (second + 1) * S, "span_ns": S, "probe": probe, "table": table, "late": 0,
                 "rows": counts[table, second]}
                for second in range(seconds) for table, probe in watched]  # fmt: skip
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


PROBES = ["exec", "dns", "file_io", "processes"]
COMMANDS = [f"job-{name}" for name in ("backup", "mail", "web", "sync", "cron", "index")]


def usual(seed: int, seconds: int, start: int = START) -> dict[str, list[dict[str, Any]]]:
    """A node that does what it always does: six commands, names that are asked for, files that are read."""
    rows: dict[str, list[dict[str, Any]]] = {"exec": [], "dns": [], "processes": [], "file_io": []}
    for at, comm in enumerate(COMMANDS):
        rows["exec"] += by_chance(seed * 10 + at, seconds, 1 + 2 * at, {"comm": comm, "uid": at % 2}, start)
        rows["dns"] += by_chance(seed * 20 + at, seconds, 3, {
            "comm": comm, "rcode": 0, "server_ip": "10.0.0.2",
            "waited_ns": lambda rng: int(2 * MS * rng.lognormvariate(0, 0.6)),
        }, start)
        rows["processes"].append({"ts_ns": start, "tgid": 100 + at, "start_ns": 10 * MS * (at + 1), "comm": comm})
    rng = random.Random(seed)
    for second in range(seconds):
        for at in range(len(COMMANDS)):
            rows["file_io"].append({
                "ts_ns": start + (second + 1) * S, "span_ns": S, "tgid": 100 + at, "start_ns": 10 * MS * (at + 1),
                "op": "read", "name": f"data.{at}", "calls": rng.randrange(80, 120),
                "data_bytes": rng.randrange(8 << 20, 12 << 20), "total_ns": 20 * MS, "errors": 0, "inode": at,
                "major": 8, "minor": 1,
            })
    return rows


FILE = "5a" * 20
KERNEL = {"ksys_write": -0x7E000000, "tcp_sendmsg": -0x7D000000}


def sampled(seed: int, seconds: int, ways: Mapping[tuple[str, ...], float], start: int = START) -> Rows:
    """profile and symbols: each way (from main inwards; kernel functions last) so many samples a second by chance."""
    names = sorted({name for way in ways for name in way} - set(KERNEL))
    places = {name: 0x1000 * (at + 1) for at, name in enumerate(names)}
    symbols: dict[tuple[str, bool], dict[str, Any]] = {}
    profile: list[dict[str, Any]] = []
    for number, (way, rate) in enumerate(ways.items()):
        inner = [name for name in reversed(way) if name in KERNEL]
        user = [name for name in reversed(way) if name not in KERNEL]
        frames = []
        for at, name in enumerate(user):
            called = user[at - 1] if at else ""
            offset = places[name] + 0x10 + (0x10 * (1 + names.index(called)) if at else 0)
            frames.append(f"{FILE}+{offset:#x}")
            symbols[frames[-1], at > 0] = {
                "ts_ns": start, "frame": frames[-1], "is_return": at > 0, "name": name, "module": "/usr/bin/shop",
                "offset_bytes": offset - places[name], "module_offset_bytes": offset, "keeps_frame": True,
            }  # fmt: skip
            if at:
                symbols[frames[-1], True] |= {"is_call": True, "calls": called, "calls_bytes": places[called],
                                              "calls_keeps_frame": True}  # fmt: skip
        for name in inner:
            symbols[name, False] = {"ts_ns": start, "frame": hex(KERNEL[name] + (1 << 64)), "address": KERNEL[name],
                                    "is_return": False, "name": name, "module": "[kernel]"}
        profile += by_chance(seed + number, seconds, rate, {
            "comm": "shop", "tgid": 812, "tid": 812, "start_ns": 8120 * MS, "cpu": 0, "cut": False,
            "kernel_stack": [KERNEL[name] for name in inner], "user_frames": frames,
        }, start)
    return {"profile": profile, "symbols": list(symbols.values())}


__all__ = ["COMMANDS", "MS", "PROBES", "START", "Rows", "S", "batch", "by_chance", "moment", "sampled", "usual"]
