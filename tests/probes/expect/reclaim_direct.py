"""Each time that somebody had to free memory, as the kernel counted it, is in reclaim, with the pages that it freed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

GUEST = True
PROBES = ("reclaim",)


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("reclaim").to_pylist() if row["kind"] == "direct"]
    assert facts["stalls"] >= 5  # how often it comes to that is up to kswapd; 19 to 33 were seen
    assert sum(row["times"] for row in rows) == facts["stalls"]
    assert sum(row["freed_pages"] for row in rows) >= facts["freed"] > 0
    mine = [row for row in rows if row["tgid"] == facts["taker"]]
    assert {row["comm"] for row in mine} == {"santa-taker"}
    assert sum(row["times"] for row in mine) > facts["stalls"] / 2
    assert all(row["spent_ns"] > 0 for row in mine)
