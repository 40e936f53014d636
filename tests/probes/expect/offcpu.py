"""Each planted sleep is one row of its process, with where it slept; who could not be woken stands in offcpu_now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from santabpf.replay.stacks import fold

LATE_NS = 2_000_000_000  # on a busy, emulated machine
SECOND = 1_000_000_000
EDGE_NS = 100_000_000  # a reading that was made so near to the edge of a second stands for the edge
SET_NS = 28_000_000  # the timer of a sleep runs already when the CPU is given up, and the thread may be preempted first


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("offcpu")
    slept = [row for row in rows.to_pylist() if is_sleep(row, facts)]
    assert len(slept) == 23
    for row in slept:
        assert (row["comm"], row["state"], row["tid"]) == ("santa-sleeper", "S", row["tgid"])
        assert row["blocked_ns"] < facts["sleep_ns"] + LATE_NS
        assert row["kernel_stack"]
        assert row["user_frames"]
    totals = table("offcpu_total").to_pylist()
    mine = [row for row in totals if (row["tgid"], row["state"]) == (facts["sleeper"], "S")]
    assert sum(row["blocks"] for row in mine) >= 23
    assert sum(row["blocked_ns"] for row in mine) >= sum(row["blocked_ns"] for row in slept)
    check_blocked(rows.to_pylist(), table("offcpu_now").to_pylist(), facts)
    check_deep(rows.to_pylist(), facts)
    check_names(rows, table("symbols"), facts)


def is_sleep(row: dict[str, Any], facts: dict[str, Any]) -> bool:
    long = row["blocked_ns"] >= facts["sleep_ns"] - SET_NS
    return bool(long and (row["tgid"], row["state"]) == (facts["sleeper"], "S"))


def check_blocked(rows: list[dict[str, Any]], now: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    (ended,) = [r for r in rows if r["tgid"] == facts["blocked"] and r["blocked_ns"] >= facts["block_ns"] - SET_NS]
    assert ended["state"] == "D"
    assert ended["blocked_ns"] < facts["block_ns"] + LATE_NS
    since = ended["ts_ns"] - ended["blocked_ns"]
    seen = [r for r in now if r["tgid"] == facts["blocked"] and abs(r["since_ns"] - since) < SECOND // 100]
    assert len(seen) >= facts["block_ns"] // SECOND - 1  # the edges of seconds in between
    for row in seen:
        assert (row["state"], row["comm"], row["start_ns"]) == ("D", "blocked", ended["start_ns"])
        assert row["kernel_stack"]
        assert since - EDGE_NS <= row["ts_ns"] <= ended["ts_ns"] + EDGE_NS


def check_deep(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Where all places for frames are taken, the row says that there may be more; where not, there are none."""
    asleep = [row for row in rows if row["tgid"] == facts["deep"] and row["blocked_ns"] >= facts["sleep_ns"] - SET_NS]
    deep = [row for row in asleep if row["state"] == "S" and len(row["user_frames"]) > 1]
    assert len(deep) == 23
    assert {(row["cut"], len(row["user_frames"])) for row in deep} == {(True, 32)}
    (blocked,) = [r for r in rows if r["tgid"] == facts["blocked"] and r["blocked_ns"] >= facts["block_ns"] - SET_NS]
    assert not blocked["cut"]


def check_names(rows: pa.Table, symbols: pa.Table, facts: dict[str, Any]) -> None:
    ones = pa.array([1] * len(rows), pa.int64())
    weights = rows.append_column("samples", ones).append_column("value", rows["blocked_ns"])
    folded = fold(weights, symbols, "ns", "__schedule").to_pylist()
    asleep = [row for row in folded if row["tgid"] == facts["sleeper"] and any("nanosleep" in f for f in row["frames"])]
    assert sum(row["value"] for row in asleep) >= 23 * (facts["sleep_ns"] - SET_NS)
    for row in asleep:
        assert row["frames"][-2:] == ["schedule", "__schedule"] or row["frames"][-1] == "__schedule"
    least = facts["block_ns"] - SET_NS
    (forked,) = [row for row in folded if row["tgid"] == facts["blocked"] and row["value"] >= least]
    assert any("clone" in frame or "fork" in frame for frame in forked["frames"])
