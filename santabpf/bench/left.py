"""The left wing on one core: recorded frames -> rows -> Parquet, in a process of its own that is pinned to one CPU.

A folder holds `stream` (an elf's bytes), `pieces` (how long each piece was as it came) and `plan`; recordings are
written to `recording-N` in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from ..decode import Decoder
from ..errors import SantaError
from ..recording import Writer
from ..recording import open as open_recording
from ..units import SECOND
from .elves import Elf
from .figures import Family, Figure, Goal, Spread
from .load import last_cpu, switch_to_and_fro
from .recorders import TICK_S, Say

SPEED, SIZE = Goal(3_000_000, at_least=True), Goal(3.0)
PLANNED = [Figure("decode + write", "events/s", None, SPEED), Figure("Parquet", "B/event", None, SIZE)]
_PINNED = "import sys; from santabpf.bench.left import main; main(sys.argv[1], int(sys.argv[2]))"
NODE, TABLE = "node-1", "switches"


class Took(NamedTuple):
    """One pass over the stream."""

    rows: int
    wall_ns: int
    decode_ns: int  # CPU
    write_ns: int  # CPU
    parquet_bytes: int


def record_stream(folder: Path, ops: int) -> int:
    """Record the load with an elf and keep its bytes. Returns: how many switches it told of."""
    with Elf([TABLE]) as elf:
        time.sleep(TICK_S)
        switch_to_and_fro(ops)
        time.sleep(TICK_S)
        elf.stop()
    (folder / "stream").write_bytes(b"".join(elf.chunks))
    (folder / "pieces").write_text(json.dumps([len(chunk) for chunk in elf.chunks if chunk]))
    (folder / "plan").write_text(json.dumps(elf.plan))
    return elf.told(TABLE).events


def decode_and_write(plan: dict[str, Any], pieces: list[bytes], out: Path) -> Took:
    """What record() does with an elf's bytes, timed."""
    decoder, decode_ns, rows = Decoder(plan, NODE), 0, 0
    began, cpu = time.monotonic_ns(), time.process_time_ns()
    with Writer(out, info={"probes": {TABLE: {"params": {}, "state": "on", "why": None}}}) as writer:
        for piece in [*pieces, None]:
            before = time.process_time_ns()
            batches = decoder.finish() if piece is None else decoder.feed(piece)
            decode_ns += time.process_time_ns() - before
            if decoder.hello and not writer.nodes:
                writer.add_node(NODE, decoder.hello)
            for table, batch in batches:
                writer.append(NODE, table, batch)
                rows += batch.num_rows if table == TABLE else 0
    wall_ns, cpu = time.monotonic_ns() - began, time.process_time_ns() - cpu
    if decoder.ended:
        raise SantaError(f"the recorded stream did not end well: {decoder.ended}")
    size = sum(part.bytes for part in open_recording(out).parts(TABLE))
    return Took(rows, wall_ns, decode_ns, cpu - decode_ns, size)


def measure(folder: Path, rounds: int, say: Say) -> tuple[Family, float]:
    """Decode and write what record_stream() has kept, on one CPU. Returns: the figures, and Parquet bytes an event."""
    say("decode and write, on one CPU")
    cpu = last_cpu()
    done = subprocess.run(
        [sys.executable, "-c", _PINNED, str(folder), str(rounds)],
        capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )  # fmt: skip
    if done.returncode:
        raise SantaError(f"decoding the recorded frames failed: {done.stderr.strip()[-300:]}")
    took = [Took(*row) for row in json.loads(done.stdout)]
    rows = took[0].rows
    size = took[0].parquet_bytes / rows
    whole, decoding, writing = (
        Spread.of([t.rows * SECOND / ns for t, ns in zip(took, column, strict=True)])
        for column in ([t.wall_ns for t in took], [t.decode_ns for t in took], [t.write_ns for t in took])
    )
    return Family(
        "From frames to Parquet",
        f"{rows:,} real context switches, as they came from an elf, decoded and written by one Python process that is "
        "kept to one CPU, its files synced to the disk. Two threads take turns in most of them, which packs well. A "
        "first pass, in which modules are loaded, is not counted.",
        [
            Figure("decode + write", "events/s", whole, SPEED),
            Figure("decoding alone", "events/s", decoding, None, "CPU time"),
            Figure("writing alone", "events/s", writing, None, "CPU time"),
            Figure("Parquet", "B/event", Spread.of([size]), SIZE, "all columns of the table switches"),
        ],
    ), size


def main(where: str, rounds: int) -> None:
    """What runs in the pinned process; prints what it took. Reads everything first, so that only the work is timed."""
    folder = Path(where)
    stream, lengths = memoryview((folder / "stream").read_bytes()), json.loads((folder / "pieces").read_text())
    plan, pieces, at = json.loads((folder / "plan").read_text()), [], 0
    for length in lengths:
        pieces.append(bytes(stream[at : at + length]))
        at += length
    took = [decode_and_write(plan, pieces, folder / f"recording-{number}") for number in range(rounds + 1)]
    print(json.dumps(took[1:]))

