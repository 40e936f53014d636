"""The rows of the planted process are as many as the kernel says that it left its CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

RUNNABLE, DEAD = 0, 16


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    switches = table("switches")
    left = [row["prev_state"] for row in switches.to_pylist() if row["prev_tid"] == facts["planted"]]
    by_itself = [state for state in left if state not in (RUNNABLE, DEAD)]
    assert len(by_itself) == facts["voluntary"] >= facts["sleeps"] + 1
    assert left.count(RUNNABLE) >= facts["nonvoluntary"]
    assert left.count(DEAD) == 1
