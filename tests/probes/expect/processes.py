"""Each process that was planted before the recording is one row, as /proc has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

EARLY = True


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("processes").to_pylist()
    mine = [row for row in rows if row["ptgid"] == facts["parent"]]
    assert {str(row["tgid"]): row["argv"] for row in mine} == {
        pid: ["sleep", str(seconds)] for pid, seconds in facts["planted"].items()
    }
    assert len(mine) == 23
    assert {(row["comm"], row["uid"], row["threads"], row["is_kernel"]) for row in mine} == {
        ("sleep", facts["uid"], 1, False)
    }
    assert {row["cgroup"] for row in mine} == {facts["cgroup"]}
    assert all(row["rss_bytes"] > 0 for row in mine)
    assert [row["ptgid"] for row in rows if row["tgid"] == 1] == [None]
