"""Each planted victim is one row, with what it held and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    mine = [row for row in table("oom").to_pylist() if row["trigger_tgid"] in facts["planted"]]
    assert [row["tgid"] for row in mine] == facts["planted"]
    for row in mine:
        assert (row["cgroup_id"], row["cgroup"]) == (facts["cgroup_id"], facts["cgroup"])
        assert (row["comm"], row["trigger_comm"]) == ("santa-eater", "santa-eater")
        assert (row["oom_score_adj"], row["uid"]) == (17, facts["uid"])
        assert (row["tid"], row["trigger_start_ns"]) == (row["tgid"], row["start_ns"])
        # what it held before it came into the cgroup is not charged there: a Python of some 10 MB
        assert 0.8 * facts["limit_bytes"] < row["anon_rss_bytes"] < facts["limit_bytes"] + (16 << 20)
        assert row["virtual_bytes"] > row["anon_rss_bytes"] + row["file_rss_bytes"]
        assert 0 < row["page_table_bytes"] < 4 << 20
        assert row["shmem_rss_bytes"] == 0
