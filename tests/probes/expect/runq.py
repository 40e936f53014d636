"""Each planted wait is one row of the thread that waited, behind the one that had the CPU, and in the histogram."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("runq").to_pylist() if row["tid"] == facts["victim"]]
    planted_ns = 0.95 * facts["at_least_ns"]
    long = [row for row in rows if row["wait_ns"] >= planted_ns and row["comm"] != "python3"]  # its name
    # on a busy machine an ordinary wait may be as long, and one wait may last from one planted one into the next
    assert len(long) <= 25
    assert sum(int(row["wait_ns"] / planted_ns) for row in long) >= 23
    for row in long:
        assert (row["tgid"], row["comm"], row["cpu"]) == (facts["victim"], "santa-victim", facts["cpu"])
        assert row["was_preempted"]
        assert row["nice"] == facts["nice"]
    # behind the hog, or, on a busy node, behind somebody who came between the two
    assert {row["prev_comm"] == "santa-hog" for row in long if row["prev_tid"] == facts["hog"]} <= {True}
    assert facts["victim"] not in {row["prev_tid"] for row in long}
    # all its rows are no more than the kernel counts; the rest were waits too short to be rows
    assert 0.8 * facts["waited_ns"] < sum(row["wait_ns"] for row in rows) < 1.01 * facts["waited_ns"]
    counted = [row for row in table("runq_hist").to_pylist() if row["wait_ns"] >= 1 << 25]
    assert sum(row["waits"] for row in counted) >= 23
    assert sum(row["wait_sum_ns"] for row in counted) >= sum(row["wait_ns"] for row in long)
