"""The planted pages are missed and brought in once, removed once, and looked up as often as they were read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PARTIAL = {"6.1": "mm_filemap_get_pages"}  # without it, pages that were read stand for those looked up


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [
        row
        for row in table("page_cache").to_pylist()
        if (row["tgid"], row["major"], row["minor"]) == (facts["reader"], facts["major"], facts["minor"])
    ]
    knows = facts["probe"]["state"] == "on"
    assert {row["counts_lookups"] for row in rows if not row["is_disk"]} == {knows}
    names = ("looked_up_pages", "missed_pages", "added_pages", "returned_pages", "evicted_pages", "removed_pages")
    assert [sum(row[name] for row in rows if not row["is_disk"]) for name in names] == [
        facts["times"] * facts["pages"],
        facts["pages"],
        facts["pages"],
        0,
        0,
        facts["pages"],
    ]
