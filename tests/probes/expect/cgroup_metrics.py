"""What cgroup_metrics must say of the cgroup of plant/cgroup_metrics.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PLANTED = 23
MIB = 1 << 20
#: What came before the first second that saw it is in no row: of these, less than a half.
SPREAD = ("cpu_ns", "cpu_user_ns", "periods", "throttled_periods", "throttled_ns", "memory_limit_hits",
          "memory_refaults")  # fmt: skip


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
    for name, count in facts["counted"].items():
        if count is None:  # this version of cgroups does not tell
            assert {row[name] for row in rows} == {None}, name
        else:
            assert sum(row[name] or 0 for row in rows) <= count, name
    for name in SPREAD:
        assert sum(row[name] for row in rows) > 0.5 * facts["counted"][name] > 0, name
    for name in ("reads", "writes", "read_bytes", "write_bytes"):
        least = PLANTED * (4096 if name.endswith("bytes") else 1)
        if facts["counted"][name] is not None:
            assert sum(row[name] or 0 for row in rows) >= least, name
    assert max(row["memory_cache_bytes"] for row in rows) >= 8 * MIB
    assert max(row["memory_cache_bytes"] for row in rows) <= facts["memory"] - facts["held"] + MIB
    if facts["counted"]["pressure_cpu_some_ns"] is not None:  # throttled for most of the time
        assert sum(row["pressure_cpu_some_ns"] for row in rows) > 0.5 * facts["counted"]["pressure_cpu_some_ns"] > 0
