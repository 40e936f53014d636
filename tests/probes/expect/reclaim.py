"""The planted reader freed the pages that its own rows of page_cache say were evicted; each zone was compacted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("reclaim").to_pylist() if row["tgid"] == facts["reader"] and row["kind"] == "memcg"]
    assert {row["comm"] for row in rows} == {"santa-reader"}
    for name in ("cgroup_id", "cgroup", "container_id"):  # though it is gone
        assert {row[name] for row in rows} == {facts[name]}
    freed = sum(row["freed_pages"] for row in rows)
    assert freed >= (2 * facts["file_bytes"] - 2 * facts["limit_bytes"]) // 4096
    assert sum(row["times"] for row in rows) > 23
    assert 0 < sum(row["spent_ns"] for row in rows) < 60e9
    mine = [r for r in table("reclaim").to_pylist() if (r["tgid"], r["kind"]) == (facts["compacter"], "compaction")]
    assert sum(row["times"] for row in mine) == facts["zones"]
    assert sum(row["freed_pages"] for row in mine) == 0 < sum(row["spent_ns"] for row in mine)
    cache = [row for row in table("page_cache").to_pylist() if row["tgid"] == facts["reader"]]
    # some pages of another kind, such as a page table's, may be among those that were freed
    assert freed - max(2, freed // 1000) <= sum(row["evicted_pages"] for row in cache) <= freed
    disk = (facts["major"], facts["minor"], False)
    mine = [row for row in cache if (row["major"], row["minor"], row["is_disk"]) == disk]
    added, returned = (sum(row[name] for row in mine) for name in ("added_pages", "returned_pages"))
    assert (2 * facts["file_bytes"] - facts["limit_bytes"]) // 4096 <= added
    # each page of the file is brought in for the first time once; all else came back: never more is told than that, and
    # where it was read ahead in folios of changing sizes, not all
    again = added - facts["file_bytes"] // 4096
    assert again / 2 <= returned <= again
