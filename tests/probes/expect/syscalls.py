"""What plant/syscalls.py did: each call failed as often, with its errno; what a signal broke off is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the table holds exactly these."""
    rows = [r for r in table("syscalls").to_pylist() if r["tgid"] == facts["pid"]]
    found: Counter[tuple[str, int]] = Counter()
    for row in rows:
        found[row["call"], row["error"]] += row["errors"]
        assert row["start_ns"] > 0
    for call, error in facts["errors"].items():
        assert found[call, error] == facts["count"]
        assert {r["is_ordinary"] for r in rows if r["call"] == call} == {call in facts["ordinary"]}
    assert not {"pause", "ppoll", "rt_sigreturn"} & {call for call, _ in found}
    assert not [error for _, error in found if not 0 < error < 512]
