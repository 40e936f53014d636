"""A cache that is too small: what makes the verdict are pages that came back to the cgroup by both accounts, its own
refaults and what page_cache saw evicted before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up_node import PROBES, START, Process, S, World

from santabpf.replay import replay
from santabpf.verdict import Verdict

SCENARIO, BUSY, PAGES = "page_cache_thrash", range(5, 15), 1009
LIMITED, ELSEWHERE = "/system.slice/db.service", "/system.slice/backup.service"


class Node(World):
    """A node with a cgroup at its limit."""

    def __init__(self) -> None:
        super().__init__(20, probes=(*PROBES, "cgroup_metrics", "page_cache", "reclaim", "file_io"))
        self.database, self.backup = self.lives("db", cgroup=LIMITED), self.lives("tar", cgroup=ELSEWHERE)

    def judged(self, folder: Path, refaults: int, readers: dict[Process, int | None], late: int = 0) -> Verdict:
        """What is said where in each second of BUSY so many pages come back, and were added by these processes.

        late: so many seconds later the kernel tells of its refaults, of all of them at once.
        """
        for second in range(self.seconds):
            at = {"ts_ns": START + (second + 1) * S, "span_ns": S}
            told = refaults if second - late in BUSY else 0
            if late:
                told = told * (late + 1) if second % (late + 1) == 0 else 0
            self.rows["cgroup_metrics"].append({
                **at, "cgroup": LIMITED, "memory_bytes": 99 << 20, "memory_cache_bytes": 40 << 20,
                "memory_limit_bytes": 100 << 20, "memory_refaults": told,
            })  # fmt: skip
            self.rows["page_cache"] += [
                self.row(at, process, returned) for process, returned in readers.items() if second in BUSY
            ]
        (verdict,) = replay(self.write(folder / "r"), [SCENARIO]).verdicts
        return verdict

    def row(self, at: dict[str, int], process: Process, returned: int | None) -> dict[str, Any]:
        return {
            **at, "start_ns": process.start_ns, "tgid": process.tgid, "major": 254, "minor": 0, "is_disk": False,
            "counts_lookups": True, "looked_up_pages": 4 * PAGES, "missed_pages": PAGES, "added_pages": 2 * PAGES,
            "returned_pages": returned, "evicted_pages": 2 * PAGES, "removed_pages": 0,
        }  # fmt: skip


@pytest.mark.parametrize("late", [0, 1, 2])
def test_it_fires_where_both_accounts_say_so_though_the_kernel_says_it_later(late: int, tmp_path: Path) -> None:
    node = Node()
    verdict = node.judged(tmp_path, PAGES + 7, {node.database: PAGES}, late)
    assert verdict.state == "fired"
    assert f"db (pid {node.database.tgid})" in verdict.to_text()
    if not late:
        squeeze = verdict.find("squeeze")
        assert dict(zip(squeeze.columns, squeeze.rows[0], strict=True))["came_back"] == len(BUSY) * PAGES


def test_refaults_of_pages_that_went_before_the_recording_are_none(tmp_path: Path) -> None:
    node = Node()
    verdict = node.judged(tmp_path, 16 * PAGES, {node.database: 0})
    assert verdict.state == "quiet"
    assert "pages that went long before, or for another's sake" in {cause.cause for cause in verdict.ruled_out}


def test_pages_that_are_overwritten_in_their_place_are_no_refaults(tmp_path: Path) -> None:
    node = Node()
    assert node.judged(tmp_path, 0, {node.database: PAGES}).state == "quiet"


def test_what_comes_back_elsewhere_is_not_this_cgroups(tmp_path: Path) -> None:
    node = Node()
    assert node.judged(tmp_path, PAGES, {node.backup: PAGES}).state == "quiet"


def test_what_comes_back_to_a_process_that_started_later_may_be_this_cgroups(tmp_path: Path) -> None:
    node = Node()
    job = node.run(node.database, ["/usr/bin/job"], 3, 14_000, 100, cgroup=LIMITED)
    verdict = node.judged(tmp_path, PAGES, {job: PAGES})
    assert verdict.state == "fired"
    assert f"job (pid {job.tgid})" in verdict.to_text()


def test_where_pages_that_come_back_are_not_told_the_kernels_account_stands_alone_and_that_is_said(
    tmp_path: Path,
) -> None:
    node = Node()
    verdict = node.judged(tmp_path, PAGES, {node.database: None})
    assert (verdict.state, verdict.confidence.level) == ("fired", "medium")
    assert "does not tell when the pages that came back had been evicted" in verdict.to_text()
