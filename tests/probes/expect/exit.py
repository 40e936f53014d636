"""Each planted end is one row that says how it ended, with the CPU time of all threads and the process's lifetime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("exit").to_pylist() if row["ptgid"] == facts["parent"]]
    planted = {int(pid): how for pid, how in facts["planted"].items()}
    mine = [row for row in rows if row["tgid"] in planted]
    assert len(mine) == len(planted)
    for row in mine:
        how = planted[row["tgid"]]
        assert (row["code"], row["signal"], row["core_dumped"]) == ((0, 9, False) if how % 2 else (how, 0, False))
        assert (row["comm"], row["pcomm"]) == ("python3", "python3")
        assert row["start_ns"] >= row["pstart_ns"] > 0
    (burner,) = [row for row in rows if row["tgid"] == facts["burner"]]
    # of the time that the kernel counts at its very end, less what tearing it down costs
    assert facts["at_least_ns"] <= burner["cpu_ns"] <= 1.02 * facts["burnt_ns"]
    (liver,) = [row for row in rows if row["tgid"] == facts["liver"]]
    assert 0.3e9 <= liver["lifetime_ns"] <= facts["lived_ns"]
