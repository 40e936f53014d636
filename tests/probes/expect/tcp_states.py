"""What tcp_states must say of the connections of plant/tcp_states.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """All of them are counted in some second, beside whatever else this node does: first IPv6, then both."""
    rows = table("tcp_states").to_pylist()
    assert len(rows) >= 12
    assert all(row["listening"] is not None and row["time_wait"] is not None for row in rows)
    looked = [row for row in rows if row["close_wait"] is not None]
    closed, used = facts["closed"], facts["open"]
    for families, readings in ((1, 2), (2, 1)):
        seen = [
            row for row in looked
            if row["close_wait"] >= families * closed and row["fin_wait2"] >= families * closed
            and row["established"] >= families * 2 * used and row["listening"] >= families
        ]  # fmt: skip
        assert len(seen) >= readings, families
    assert all(row["close_wait"] < closed * 10 for row in looked)
