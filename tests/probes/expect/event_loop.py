"""What plant/event_loop.py did: as many ticks, of which one computed and one was blocked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the tables hold exactly these."""
    pid, long_ns = facts["pid"], facts["long_ns"]
    rows = [r for r in table("event_loop").to_pylist() if r["tgid"] == pid]
    assert {r["tid"] for r in rows} == {pid}, "the thread that polled only once has no tick"
    assert sum(r["ticks"] for r in rows) == facts["ticks"]
    over_50ms, over_200ms = (sum(r[f"over_{ms}ms"] for r in rows) for ms in (50, 200))
    assert facts["ticks"] > over_50ms >= over_200ms >= 2
    assert sum(r["busy_ns"] for r in rows) >= 2 * long_ns
    assert max(r["max_ns"] for r in rows) >= long_ns
    assert all(r["comm"].startswith("python3") for r in rows)
    assert sum(r["kept_waiting"] for r in rows) == max(r["most_waiting"] for r in rows) == facts["ready"]

    bins = [r for r in table("event_loop_hist").to_pylist() if r["tgid"] == pid]
    assert sum(r["ticks"] for r in bins) == facts["ticks"]
    assert sum(r["busy_sum_ns"] for r in bins) == sum(r["busy_ns"] for r in rows)
    assert all(r["busy_ns"] * r["ticks"] <= r["busy_sum_ns"] < 2 * r["busy_ns"] * r["ticks"] for r in bins)

    slow = [r for r in table("event_loop_slow").to_pylist() if r["tgid"] == pid and r["busy_ns"] >= long_ns]
    assert len([r for r in slow if r["cpu_ns"] > long_ns - 30e6]) == 1
    assert len([r for r in slow if r["cpu_ns"] < long_ns / 4]) >= 1
    for row in slow:
        assert (row["tid"], row["ready"]) == (pid, 0)
        assert row["start_ns"] == rows[0]["start_ns"]
