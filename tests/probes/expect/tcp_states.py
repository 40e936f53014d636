"""What tcp_states must say of the connections of plant/tcp_states.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """All of them are counted in some second, beside whatever else this node does."""
    rows = table("tcp_states").to_pylist()
    assert len(rows) >= 6
    assert all(row["listening"] is not None and row["time_wait"] is not None for row in rows)
    looked = [row for row in rows if row["close_wait"] is not None]
    most = {name: max(row[name] for row in looked) for name in rows[0]}
    assert most["close_wait"] >= facts["closed"]
    assert most["fin_wait2"] >= facts["closed"]
    assert most["established"] >= 2 * facts["open"]
    assert most["listening"] >= 1
    assert all(row["close_wait"] < facts["closed"] * 10 for row in looked)
