"""Each planted program is one row, with its whole command line, its parent and its cgroup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("exec").to_pylist()
    mine = {row["tgid"]: row for row in rows if row["ptgid"] == facts["parent"]}
    assert [row["tgid"] for row in rows if row["tgid"] in facts["planted"]] == facts["planted"]
    for i, pid in enumerate(facts["planted"]):
        assert mine[pid]["argv"] == ["/bin/echo", "planted", str(i), ""]
        assert mine[pid]["argv_bytes"] == len(f"/bin/echo\0planted\0{i}\0\0")
        assert (mine[pid]["comm"], mine[pid]["filename"], mine[pid]["uid"]) == ("echo", "/bin/echo", facts["uid"])
        assert not mine[pid]["argv_truncated"]
        assert (mine[pid]["cgroup_id"], mine[pid]["cgroup"]) == (facts["cgroup_id"], facts["cgroup"])
    long = mine[facts["long"]]
    assert (long["argv"], long["argv_truncated"]) == (["/bin/echo", "x" * 501], True)
    assert mine[facts["secret"]]["argv"] == ["/bin/echo", "--password", "*******", "--user=me"]
    if "service" in facts:
        service = facts["service"]
        (row,) = [row for row in rows if row["argv"][1:] == service["argv"]]
        assert (row["cgroup_id"], row["cgroup"]) == (service["cgroup_id"], f"/system.slice/{service['unit']}")
