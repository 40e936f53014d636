"""Each planted opening that failed, or was of a sensitive file, is a row; the others are only counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("opens").to_pylist()
    failed = [row for row in rows if row["tgid"] == facts["failed"]]
    assert [row["path"] for row in failed] == facts["missing"]
    assert {(row["error"], row["sensitive"], row["tid"], row["uid"]) for row in failed} == {
        (2, False, facts["failed"], facts["uid"])
    }
    assert all(row["flags"] & facts["flags"] == facts["flags"] for row in failed)
    secret = [(row["path"], row["sensitive"], row["error"]) for row in rows if row["tgid"] == facts["secret"]]
    assert secret == [("/etc/shadow", True, None)] * 23
    assert not [row for row in rows if row["tgid"] == facts["plain"]]
    counts = [row for row in table("opens_count").to_pylist() if row["tgid"] == facts["plain"]]
    assert sum(row["opened"] for row in counts) == 46
