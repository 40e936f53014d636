"""The planted packets are counted under the reason that nobody takes their protocol, by family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

IPV4, IPV6 = 0x0800, 0x86DD


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("drops").to_pylist()
    mine = {IPV4: 0, IPV6: 0}
    for row in rows:
        if row["reason"] == "IP_NOPROTO":
            mine[row["protocol"]] += row["packets"]
    assert mine == {IPV4: facts["ipv4"], IPV6: facts["ipv6"]}
    assert all(row["reason"] for row in rows), "this kernel's reasons are all known"
