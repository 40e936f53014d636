"""A node that is so busy that its counters are read each other second only, for twice as long."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import MS, START, S, World

from santabpf.replay import replay

BUSY = range(4, 16)


def stretched(world: World, table: str) -> None:
    """Two rows of BUSY become one, which comes at the end of the second one."""
    rows = {(row["ts_ns"] - START) // S - 1: row for row in world.rows[table]}
    for second in BUSY[::2]:
        early, late = rows.pop(second), rows[second + 1]
        for name, value in early.items():
            if name.endswith("_ns") and name not in ("ts_ns", "start_ns"):
                late[name] += value
    world.rows[table] = list(rows.values())


@pytest.mark.parametrize(("scenario", "of"), [("cpu_usage", "cpu_user_ns"), ("cpu_steal", "cpu_steal_ns")])
def test_seconds_without_a_reading_are_not_seconds_in_which_nothing_was_used(
    scenario: str, of: str, tmp_path: Path
) -> None:
    world = World(20)
    world.uses_cpu(world.init, BUSY.start, BUSY.stop, 1980)
    world.batches()
    for row in world.rows["metrics"]:
        row["cpu_idle_ns"] = 20 * MS
        row["cpu_iowait_ns"] = 0
        row[of] = row["cpu_user_ns"]
    for table in ("metrics", "process_cpu"):
        stretched(world, table)
    assert [row["span_ns"] for row in world.rows["metrics"]][4:6] == [2 * S, 2 * S]
    (verdict,) = replay(world.write(tmp_path / "r"), [scenario]).verdicts
    assert verdict.state == "fired"
