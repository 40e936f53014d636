"""What cgroup_metrics must say of the cgroup of plant/cgroup_metrics.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """The limits as they were set, the use as the cgroup's own files had it; the first second is a baseline."""
    rows = [row for row in table("cgroup_metrics").to_pylist() if row["cgroup"] == facts["path"]]
    assert len(rows) >= 2
    for row in rows:
        assert (row["cpu_quota_ns"], row["cpu_period_ns"]) == (facts["quota_ns"], facts["period_ns"])
        assert (row["memory_limit_bytes"], row["pids_limit"], row["pids"]) == (facts["memory"], facts["pids"], 1)
        assert row["memory_bytes"] <= facts["memory"]
        assert row["oom_kills"] == row["pids_limit_hits"] == 0
    assert any(row["memory_bytes"] >= facts["held"] for row in rows)  # touching all of it may take a second or two
    cpu_ns, throttled = (sum(row[name] for row in rows) for name in ("cpu_ns", "throttled_periods"))
    throttled_ns = sum(row["throttled_ns"] for row in rows)
    assert 0.5 * facts["cpu_ns"] < cpu_ns <= facts["cpu_ns"]
    assert 0.5 * facts["throttled"] < throttled <= facts["throttled"]
    assert 0.5 * facts["throttled_ns"] < throttled_ns <= facts["throttled_ns"]
