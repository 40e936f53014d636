"""What fork_failed must say of what plant/fork_failed.py planted."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pyarrow as pa

PROBES = ("fork",)

def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Each fork that a full cgroup refused is one row of its caller."""
    rows = [row for row in table("fork_failed").to_pylist() if row["tgid"] == facts["tgid"]]
    assert len(facts["failures"]) == 23
    assert [row["errno"] for row in rows] == facts["failures"] == [errno.EAGAIN] * 23
    assert {row["tid"] for row in rows} == {facts["tgid"]}
    assert {row["call"] for row in rows} <= {"clone", "fork"}
    if facts["version"] == 2:  # of v1, the rows name the cgroup of the memory controller
        assert {row["cgroup"] for row in rows} == {facts["path"]}
    assert not [row for row in table("fork").to_pylist() if row["ptgid"] == facts["tgid"]]
