"""The seconds in which was planted have at least what the kernel counted; sockets of IPv6 are counted, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = sorted(table("metrics").to_pylist(), key=lambda row: row["ts_ns"])
    start, end = facts["from_ns"], facts["to_ns"]
    counted = [row for row in rows if row["ts_ns"] > start and row["ts_ns"] - row["span_ns"] < end]
    for name, count in facts["at_least"].items():
        assert count >= 23
        assert sum(row[name] for row in counted) >= count, name
    before = [row for row in rows if row["ts_ns"] <= start][-1]
    held = next(row for row in rows if facts["made_ns"] <= row["ts_ns"] <= facts["told_ns"])
    more = held["tcp_sockets"] - before["tcp_sockets"]
    assert abs(more - facts["sockets6"]) < facts["sockets6"] // 2  # what else opens and closes meanwhile is much less
