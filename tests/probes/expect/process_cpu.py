"""The planted CPU time stands in the rows of its process, second by second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

TICK_NS = 10_000_000


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("process_cpu").to_pylist() if row["tgid"] == facts["planted"]]
    used = sum(row["user_ns"] + row["system_ns"] for row in rows)
    # by the clock tick, as the kernel counts: user and system are each cut down to one
    assert facts["burnt_ns"] - 2 * TICK_NS <= used <= facts["burnt_ns"] + 3 * TICK_NS
    assert {(row["comm"], row["ptgid"], row["threads"]) for row in rows} == {("santa-burner", facts["parent"], 1)}
    assert all(row["rss_bytes"] > 0 for row in rows)
    assert {row["cgroup"] for row in rows} == {facts["cgroup"]}
