"""Each planted process is one row, with the process and the thread that forked it; threads are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    mine = [row for row in table("fork").to_pylist() if row["ptgid"] == facts["parent"]]
    assert {str(row["tgid"]): row["ptid"] for row in mine} == facts["planted"]
    assert len(mine) == len(facts["planted"]) == 23
    assert {(row["comm"], row["uid"]) for row in mine} == {("python3", facts["uid"])}
    assert all(row["start_ns"] >= row["pstart_ns"] > 0 for row in mine)
