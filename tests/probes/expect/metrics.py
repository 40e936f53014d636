"""The second in which was planted has at least what the kernel counted meanwhile; sockets of IPv6 are counted, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    row = _row_of(table, facts["second"])
    for name, count in facts["at_least"].items():
        assert count >= 23
        assert row[name] >= count, name
    before, held = (_row_of(table, second) for second in (facts["second"] - 1, facts["held"]))
    more = held["tcp_sockets"] - before["tcp_sockets"]
    assert abs(more - facts["sockets6"]) < facts["sockets6"] // 2  # what else opens and closes meanwhile is much less


def _row_of(table: Callable[[str], pa.Table], second: int) -> dict[str, Any]:
    end_ns = (second + 1) * 1_000_000_000
    (row,) = [row for row in table("metrics").to_pylist() if abs(row["ts_ns"] - end_ns) < 200_000_000]
    return row
