"""Makes the two synthetic recordings of cpu_steal out of a real one: steal cannot be provoked inside of a guest.

In: recordings/cpu_usage_quiet_one_core. Out: recordings/cpu_steal_synthetic, in which the host takes two fifths of what
the node wanted to run from the onset on, and recordings/cpu_steal_quiet_synthetic, in which it takes one fiftieth, as a
host does now and then. Never: calls them anything but synthetic. Run it again when the real one is made anew: `make
recordings` does.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
from older_recordings import declared

from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording

ROOM = Path(__file__).parents[1] / "recordings"
SOURCE = "cpu_usage_quiet_one_core"
TICK = 10_000_000  # /proc/stat counts in these
#: folder -> the variant, the verdict that must come out, how many thousandths of the wanted time the host takes
MADE = {
    "cpu_steal_synthetic": ("synthetic", "fired", 400),
    "cpu_steal_quiet_synthetic": ("synthetic-little", "quiet", 20),
}
BUSY = ("cpu_user_ns", "cpu_nice_ns", "cpu_system_ns")


def make(name: str, out: Path, room: Path = ROOM) -> Recording:
    """Write one of them into the new folder `out`."""
    variant, expected, thousandths = MADE[name]
    source = open_recording(room / SOURCE)
    drill = {"scenario": "cpu_steal", "variant": variant, "expected": expected, "also": []}
    drill["onset_ns"] = onset = source.info["drill"]["onset_ns"]
    note = (
        f"synthetic: made by tests/synthetic_steal.py out of the real recording {SOURCE}; its metrics and process_cpu "
        f"were changed so that the host takes {thousandths} thousandths of what the node wanted to run"
    )
    kept = {key: source.info[key] for key in ("created_ns", "nodes", "probes", "scope")}
    info = kept | {"scenarios": ["cpu_steal"], "notes": [*source.info["notes"], note], "drill": drill}
    tables = [name for name in source.tables if name not in ("loss", "gaps", "coverage", "clock", "receipt")]
    with Writer(out, info=info, segment_s=math.inf, tables=tables) as writer:
        for table in sorted(source.tables, key=lambda name: name == "coverage"):
            rows = declared(table, source[table].arrow())
            if table in ("metrics", "process_cpu"):
                rows = _taken(rows, BUSY if table == "metrics" else ("user_ns", "system_ns"), onset, thousandths)
            for batch in rows.to_batches():
                writer.append("node-1", table, batch)
    return open_recording(out)


def _taken(rows: pa.Table, columns: tuple[str, ...], onset_ns: int, thousandths: int) -> pa.Table:
    """From the onset on, take a share of these columns; of the node, it becomes steal."""
    made: list[dict[str, Any]] = rows.to_pylist()
    for row in made:
        if row["ts_ns"] - row["span_ns"] // 2 < onset_ns:
            continue
        for column in columns:
            less = row[column] * thousandths // 1000 // TICK * TICK
            row[column] -= less
            if "cpu_steal_ns" in row:
                row["cpu_steal_ns"] += less
    return pa.Table.from_pylist(made, schema=rows.schema)


if __name__ == "__main__":
    for folder in MADE:
        shutil.rmtree(ROOM / folder, ignore_errors=True)
        make(folder, ROOM / folder)
