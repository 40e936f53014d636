"""What plant/file_io.py did: each operation as often, with its bytes and errors; and the slow fsync."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the tables hold exactly these."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in table("file_io").to_pylist():
        if (row["tgid"], row["inode"], row["major"], row["minor"]) == (
            facts["pid"], facts["inode"], facts["major"], facts["minor"]
        ):  # fmt: skip
            assert row["name"] == facts["name"]
            assert row["start_ns"] > 0
            assert row["max_ns"] > 0
            assert row["total_ns"] <= row["max_ns"] * row["calls"]
            for i, column in enumerate(("calls", "data_bytes", "errors")):
                sums[row["op"]][i] += row[column]
    count, moved = facts["count"], facts["count"] * facts["size"]
    assert sums == {
        "write": [count, moved, 0], "read": [2 * count, moved, count],
        "fsync": [count, 0, 0], "fdatasync": [count, 0, 0],
    }  # fmt: skip

    slow = facts["slow"]
    rows = [r for r in table("file_io_slow").to_pylist() if r["tgid"] == facts["pid"] and r["name"] == slow["name"]]
    row = max(rows, key=lambda r: r["took_ns"])  # on a slow node others of them are slow too
    wanted = {key: slow[key] for key in ("folder", "mount", "inode", "major", "minor")}
    wanted |= {"tid": facts["pid"], "op": "fsync", "error": None, "data_bytes": 0, "fs": "ext4"}
    assert {key: row[key] for key in wanted} == wanted
    assert row["device"].startswith("loop")
    assert row["comm"].startswith("python3")
    assert 0.2e9 < row["took_ns"] <= slow["took_ns"]
    # counted, too: this call is the longest of its file, and both of them took no longer than their process saw
    synced = [
        r for r in table("file_io").to_pylist()
        if (r["tgid"], r["inode"], r["op"]) == (facts["pid"], slow["inode"], "fsync") and r["name"] == slow["name"]
    ]  # fmt: skip
    assert sum(r["calls"] for r in synced) == 2
    assert max(r["max_ns"] for r in synced) == row["took_ns"]
    assert row["took_ns"] < sum(r["total_ns"] for r in synced) <= slow["first_ns"] + slow["took_ns"]
