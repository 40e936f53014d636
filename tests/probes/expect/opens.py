"""Each planted opening that failed, was to write, or was of a sensitive file, is a row; the others are only counted."""

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
    written = [row for row in rows if row["tgid"] == facts["written"]]
    assert [row["path"] for row in written] == facts["made"]
    assert {(row["error"], row["sensitive"], row["flags"] & 0o103) for row in written} == {(None, False, 0o101)}
    created = [row for row in rows if row["tgid"] == facts["creator"]]
    assert [row["path"] for row in created] == facts["created"]
    assert {(row["error"], row["sensitive"], row["flags"]) for row in created} == {(None, False, 0o1101)}
    rewritten = [row for row in rows if row["tgid"] == facts["rewriter"]]
    assert [(row["path"], row["sensitive"], row["error"]) for row in rewritten] == [("/etc/passwd", True, None)] * 23
    counted = {facts["plain"]: 46, facts["thrown_away"]: 23}
    assert not [row for row in rows if row["tgid"] in counted]
    counts = [row for row in table("opens_count").to_pylist() if row["tgid"] in counted]
    assert {tgid: sum(row["opened"] for row in counts if row["tgid"] == tgid) for tgid in counted} == counted
