"""A recording of millions of events that never happened: a busy node, made by chance with a fixed seed.

In: a folder, how many rows. Out: a recording with something in every panel of the workbench. Never: a real name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..probes import get_probe
from ..recording import Writer
from ..tables import table_schema
from ..units import MS, SECOND, US

START = 1_777_636_800 * SECOND
SECONDS = 600
NODE = "node-1"
#: table -> its share of all rows
SHARES = {"runq": 0.3, "opens": 0.15, "block_io": 0.1, "syscalls": 0.1, "file_io": 0.1, "profile": 0.08, "tcp": 0.06,
          "fork": 0.03, "exec": 0.03, "exit": 0.03, "dns": 0.02}
PROBES = ("runq", "opens", "block_io", "syscalls", "file_io", "profile", "tcp", "fork", "exec", "exit", "dns")
COMMANDS, FILES, PEERS, STACKS, DEEP = 60, 400, 200, 2000, 24
#: Processes that live all the time do most; each of the others lives once.
LASTING = 300
_BATCH_SECONDS = 10


def make(path: Path, rows: int) -> int:
    """Write the recording. Returns: its rows, those about the recording itself apart."""
    rng = np.random.default_rng(1)
    info = {
        "nodes": {NODE: {"kernel": "6.18", "machine": "x86_64", "cpus": 2, "clock_tick_hz": 100, "page_bytes": 4096,
                         "memory_bytes": 4 << 30, "boot_id": "0" * 32, "cgroup_version": 2}},
        "probes": {name: {"params": {}, "state": "on", "why": None} for name in PROBES},
        "scenarios": [], "created_ns": START,
    }
    written, watched = 0, [(t.name, name) for name in PROBES for t in get_probe(name).tables]
    with Writer(path, info=info, tables=[*(t for t, _ in watched), "symbols"]) as writer:
        writer.append(NODE, "symbols", _symbols())
        for first in range(0, SECONDS, _BATCH_SECONDS):
            counts = dict.fromkeys((table for table, _ in watched), 0)
            for table, share in SHARES.items():
                count = int(rows * share * _BATCH_SECONDS / SECONDS)
                writer.append(NODE, table, _rows(table, count, first, rng))
                counts[table] = count // _BATCH_SECONDS
                written += count
            writer.append(NODE, "coverage", _batch("coverage", {
                "ts_ns": [START + (first + n + 1) * SECOND for n in range(_BATCH_SECONDS) for _ in watched],
                "span_ns": [SECOND] * (len(watched) * _BATCH_SECONDS),
                "probe": [probe for _ in range(_BATCH_SECONDS) for _, probe in watched],
                "table": [table for _ in range(_BATCH_SECONDS) for table, _ in watched],
                "rows": [counts[table] for _ in range(_BATCH_SECONDS) for table, _ in watched],
                "late": [0] * (len(watched) * _BATCH_SECONDS)}))
    return written


def _rows(table: str, count: int, first: int, rng: np.random.Generator) -> pa.RecordBatch:
    """So many rows of a table in _BATCH_SECONDS seconds from `first` on."""
    moments = np.sort(rng.integers(0, _BATCH_SECONDS * SECOND, count)) + START + first * SECOND
    if "span_ns" in table_schema(table).names:
        moments = moments // SECOND * SECOND + SECOND
    who = (rng.pareto(1.2, count) * 3).astype(np.int64) % LASTING
    once = table in ("fork", "exec", "exit")
    tgid = (np.arange(count) + first * 100_000) % 4_000_000 + 10_000 if once else who + 1000
    length = (rng.lognormal(np.log(2 * MS), 1.5, count)).astype(np.int64)
    start = moments - length - START + 1000 * SECOND if once else tgid * 10 * MS
    columns: dict[str, Any] = {
        "ts_ns": moments, "span_ns": np.full(count, SECOND), "tgid": tgid, "start_ns": start // (10 * MS) * (10 * MS),
        "tid": tgid, "ptgid": who + 1000, "pstart_ns": (who + 1000) * 10 * MS,
        "comm": _names("command", who % COMMANDS),
        "pcomm": _names("command", who % COMMANDS), "cpu": who % 2, "cut": np.zeros(count, dtype=bool),
        "name": _names("file", rng.integers(0, FILES, count)),
        "path": _names("/srv/file", rng.integers(0, FILES, count)),
        "remote_ip": _names("10.0.0.", rng.integers(0, PEERS, count)), "server_ip": _names("10.0.1.", who % 3),
        "remote_port": who % 50 + 1, "local_port": who % 50 + 4000, "local_ip": _names("10.9.0.", who % 1),
        "call": _names("call", who % 30), "op": _names("read", who % 1), "disk": _names("vd", who % 2),
        "ended": pa.array(np.where(who % 17, "closed", "reset")), "direction": _names("out", who % 1),
        "error": np.where(who % 5, 0, 2), "is_ordinary": who % 2 == 0, "sensitive": who % 2 == 0,
        "errors": who % 7 + 1, "calls": who % 9 + 1, "data_bytes": length // US, "total_ns": length, "max_ns": length,
        "wait_ns": length, "device_ns": length, "queue_ns": length // 9, "connect_ns": length, "lifetime_ns": length,
        "waited_ns": length, "cpu_ns": length // 3, "code": who % 3, "signal": np.zeros(count, dtype=np.int64),
        "sent_bytes": length // US, "received_bytes": length // US, "retransmits": who % 2, "inode": who,
    }
    if table == "exec":
        columns["argv"] = pa.array([["command", "--flag", str(n % 50)] for n in range(count)], pa.list_(pa.string()))
    if table == "profile":
        columns |= _stacks(count, rng)
    return _batch(table, columns)


def _stacks(count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Each sample one of STACKS stacks, the first of them most often."""
    chosen = (rng.pareto(0.9, count) * 20).astype(np.int64) % STACKS
    known = pa.array([[f"aa+{(stack * 7 + level * (stack % 5 + 1)) % 900:x}" for level in range(DEEP - stack % 12)]
                      for stack in range(STACKS)], pa.list_(pa.string()))
    return {"user_frames": known.take(pa.array(chosen)),
            "kernel_stack": pa.array([[]], pa.list_(pa.int64())).take(pa.array(np.zeros(count, dtype=np.int64)))}


def _symbols() -> pa.RecordBatch:
    """A function for each frame."""
    frames = [f"aa+{n:x}" for n in range(900) for _ in range(2)]
    return _batch("symbols", {
        "ts_ns": [START] * len(frames), "frame": frames, "is_return": [bool(n % 2) for n in range(len(frames))],
        "name": [f"function_{n // 2}" for n in range(len(frames))], "offset_bytes": [4] * len(frames),
        "module": ["/bin/busy"] * len(frames), "module_offset_bytes": [4096 * (n // 2) for n in range(len(frames))],
        "is_call": [True] * len(frames), "keeps_frame": [True] * len(frames)})


def _names(word: str, number: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Array:
    known = pa.array([f"{word}{n}" for n in range(int(number.max(initial=0)) + 1)])
    return known.take(pa.array(number))


def _batch(table: str, columns: dict[str, Any]) -> pa.RecordBatch:
    """All declared columns; null where nothing is said."""
    schema = table_schema(table).arrow
    count = len(columns["ts_ns"])
    arrays = []
    for field in schema:
        given = columns.get(field.name, pa.nulls(count, field.type))
        arrays.append((given if isinstance(given, pa.Array) else pa.array(given)).cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
