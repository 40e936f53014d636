"""The second in which was planted has at least what the kernel counted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    end_ns = (facts["second"] + 1) * 1_000_000_000
    (row,) = [row for row in table("metrics").to_pylist() if abs(row["ts_ns"] - end_ns) < 200_000_000]
    for name, count in facts["at_least"].items():
        assert count >= 23
        assert row[name] >= count, name
