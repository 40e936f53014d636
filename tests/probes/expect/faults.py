"""What plant/faults.py did: as many major faults, on its file where the kernel tells of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PARTIAL = {"6.1": "this kernel has no tracepoint mm_filemap_fault"}


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the tables hold exactly these."""
    rows = [r for r in table("faults").to_pylist() if r["tgid"] == facts["pid"]]
    assert rows
    if all(r["tells_files"] for r in rows):
        where = ("inode", "major", "minor")
        rows = [r for r in rows if all(r[key] == facts[key] for key in where)]
        assert {r["name"] for r in rows} == {facts["name"]}
        assert sum(r["faults"] for r in rows) == facts["faults"]
    else:
        assert {(r["inode"], r["major"], r["minor"], r["name"]) for r in rows} == {(None, None, None, None)}
        at_its_end = 64  # pages of its own that it had not used before it counted
        assert facts["so_far"] <= sum(r["faults"] for r in rows) <= facts["so_far"] + at_its_end
    assert all(r["comm"].startswith("python3") and r["start_ns"] > 0 for r in rows)
