"""Writes a recording that is killed on the way; run by test_crash.py as a process of its own.

    crash_writer.py FOLDER SEGMENTS           write until done or killed; say `flushed` after each segment
    crash_writer.py FOLDER SEGMENTS steps     once for each step on the way to the disk: FOLDER/<n> is killed at step n
    crash_writer.py FOLDER SEGMENTS merging   the same, where each two parts are put together, and soon removed

Row i of `fork` in second s has tgid s * 1000 + i, and coverage says how many there are: a reader can count.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

import santabpf.recording.write as writer
from santabpf.recording import Writer, merge
from santabpf.tables import table_schema

SECOND = 1_000_000_000
STEPS = ("open", "write", "fsync", "rename", "mkdir", "chmod", "unlink")


def batch(table: str, rows: list[dict[str, object]]) -> pa.RecordBatch:
    schema = table_schema(table).arrow
    return pa.RecordBatch.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def write(folder: Path, segments: int) -> None:
    info = {"nodes": {"node-1": {}}, "probes": {"fork": {"params": {}, "state": "on", "why": None}}}
    with Writer(folder, info=info, segment_s=1e9) as writer:
        for second in range(1, segments + 1):
            count, end = second % 5 + 1, (1_750_000_000 + second) * SECOND
            forks = [{"ts_ns": end - SECOND + i, "tgid": second * 1000 + i, "comm": "x" * i} for i in range(count)]
            covered = {"ts_ns": end, "span_ns": SECOND, "probe": "fork", "table": "fork", "rows": count, "late": 0}
            writer.append("node-1", "fork", batch("fork", forks))
            writer.append("node-1", "coverage", batch("coverage", [covered]))
            writer.flush()
            print("flushed", flush=True)


def kill_at(step: int) -> None:
    """From now on, the step-th call that touches the disk is the last thing this process does."""
    left = step

    def guarded(call):  # type: ignore[no-untyped-def]
        def run(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return run

    for name in STEPS:
        setattr(os, name, guarded(getattr(os, name)))


def main() -> None:
    folder, segments = Path(sys.argv[1]), int(sys.argv[2])
    if sys.argv[3:] == ["merging"]:
        merge.AT_ONCE, writer.KEEP_S = 2, 0.0
    elif sys.argv[3:] != ["steps"]:
        write(folder, segments)
        return
    batch("fork", [])  # loads what each fork would otherwise load for itself
    for step in range(1, 1000):
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            kill_at(step)
            write(folder / str(step), segments)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(step)  # nothing was left to be killed at
            return


if __name__ == "__main__":
    main()
