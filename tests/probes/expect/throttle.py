"""Each planted period is one wait, and together they are as long as cpu.stat says. Its cgroup is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("throttle").to_pylist() if row["tgid"] == facts["planted"]]
    assert len(rows) >= 20  # on a busy node one may be too short to be a row
    waited = sum(row["wait_ns"] for row in rows)
    assert abs(waited - facts["throttled_ns"]) < 0.1 * facts["throttled_ns"]
    for row in rows:
        assert (row["cgroup_id"], row["limited_cgroup_id"]) == (facts["cgroup_id"], facts["cgroup_id"])
        assert (row["comm"], row["quota_ns"], row["period_ns"]) == (
            "santa-burner",
            facts["quota_ns"],
            facts["period_ns"],
        )
        assert (row["cgroup"], row["limited_cgroup"]) == (facts["cgroup"], facts["cgroup"])
        assert (row["container_id"], row["pod_id"]) == (facts["container_id"], None)
    assert rows[-1]["group_throttled_ns"] // 1000 == facts["throttled_ns"] // 1000  # version 2 tells µs
    sums = [row for row in table("throttle_sum").to_pylist() if row["cgroup_id"] == facts["cgroup_id"]]
    assert {(r["cgroup"], r["container_id"]) for r in sums} == {(facts["cgroup"], facts["container_id"])}
    waits = sum(r["waits"] for r in sums)
    # on a slow node one period more begins before the process has read that there were 23; it may end without waiting
    assert facts["periods"] >= 23
    assert waits in ((23,) if facts["periods"] == 23 else (facts["periods"] - 1, facts["periods"]))
    assert len(rows) <= waits
    assert waited <= sum(r["wait_sum_ns"] for r in sums) < 1.01 * waited
