"""What listeners must say of the listeners of plant/listeners.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Each listener has a row a second, with its whole queue, and each SYN that was turned away is counted."""
    for address, port in facts["ports"].items():
        rows = [r for r in table("listeners").to_pylist() if (r["local_ip"], r["local_port"]) == (address, port)]
        assert len([row for row in rows if row["ts_ns"] > facts["ready_ns"]]) >= 2
        for row in rows:
            assert row["queue_limit"] == facts["backlog"]
            assert row["queued"] == facts["waiting"] or row["ts_ns"] <= facts["ready_ns"]  # before it was full
            assert row["dropped"] == 0
            assert (row["inode"], row["uid"]) == (facts["inodes"][address], facts["uid"])
    for address, (port, syns) in facts["turned_away"].items():
        rows = [r for r in table("listeners").to_pylist() if (r["local_ip"], r["local_port"]) == (address, port)]
        assert syns >= 23
        assert sum(row["dropped"] for row in rows) == syns
