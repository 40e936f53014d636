"""Each planted request is one row of its process; failed ones have their error; the histogram counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

SPEC = "block_io:min_total_ns=0"
PARTIAL = {"6.1": "block_io_start"}


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("block_io").to_pylist()
    read = [row for row in rows if row["tgid"] == facts["reader"] and row["data_bytes"] == facts["data_bytes"]]
    assert facts["read_errors"] == [0] * 23
    assert len(read) == len({row["sector"] for row in read}) == 23
    for row in read:
        assert (row["comm"], row["op"], row["is_failed"], row["error"]) == ("santa-mover", "read", False, 0)
        assert not row["by_kernel"]
        assert row["device_ns"] > 0
        assert row["queue_ns"] >= 0
    wrong = [row for row in rows if row["disk"] == facts["full_disk"] and row["tgid"] == facts["writer"]]
    assert [row["error"] for row in wrong] == facts["write_errors"]
    assert [(row["op"], row["is_failed"]) for row in wrong] == [("write", True)] * 23
    counted = [row for row in table("block_io_hist").to_pylist() if row["disk"] == facts["full_disk"] and row["failed"]]
    assert {row["op"] for row in counted} == {"write"}
    for name, value in {"requests": 23, "failed": 23, "data_bytes": 23 * facts["data_bytes"]}.items():
        assert sum(row[name] for row in counted) == value, name
