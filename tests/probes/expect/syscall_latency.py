"""What plant/syscall_latency.py did: as many calls, which took as long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the table holds exactly these."""
    rows = [r for r in table("syscall_latency").to_pylist() if r["tgid"] == facts["pid"]]
    quick = [r for r in rows if r["call"] == "getppid"]
    waits = [r for r in rows if r["call"] == "rt_sigtimedwait"]
    for found, errors in ((quick, 0), (waits, facts["count"])):
        assert sum(r["calls"] for r in found) == facts["count"]
        assert sum(r["errors"] for r in found) == errors
    assert facts["count"] * facts["wait_ns"] <= sum(r["total_ns"] for r in waits) <= facts["took_ns"]
    assert max(r["max_ns"] for r in waits) >= facts["wait_ns"]
    assert sum(r["total_ns"] for r in quick) < facts["wait_ns"]
    assert "execve" in {r["call"] for r in rows}, "a call that returned in another program than it began in"
