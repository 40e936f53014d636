"""What plant/exhausted.py did: each call failed as often, with its file, mount, port and limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the tables hold exactly these."""
    found: Counter[tuple[str, int]] = Counter()
    for row in table("exhausted").to_pylist():
        if row["tgid"] == facts["pid"]:
            found[row["call"], row["error"]] += row["errors"]
            assert row["start_ns"] > 0
            on = (facts["inode"], facts["major"], facts["minor"]) if row["call"] == "write" else (None, 0, 0)
            assert (row["inode"], row["major"], row["minor"]) == on
    assert found == dict.fromkeys(map(tuple, facts["calls"]), facts["count"])

    cases = [r for r in table("exhausted_case").to_pylist() if r["tgid"] == facts["pid"]]
    kinds = {(r["call"], r["path"], r["mount"], r["fs"], r["asked_bytes"], r["local_port"]) for r in cases}
    assert kinds == {
        ("write", facts["mount"] + "/deep/journal", facts["mount"], "tmpfs", 100, None),
        ("mkdir", facts["mount"] + "/one-more", "", "", None, None),
        ("openat", "/etc/hostname", "", "", None, None),
        ("socket", "", "", "", None, None),
        ("accept4", "", "", "", None, facts["port"]),
    }
    assert {r["descriptors_max"] for r in cases if r["error"] == 24} == {facts["limit"]}
    for call, _ in facts["calls"]:  # the 1st, 2nd, 4th, 8th and 16th, on each CPU that it ran on
        assert 5 <= len([r for r in cases if r["call"] == call]) < facts["count"]
