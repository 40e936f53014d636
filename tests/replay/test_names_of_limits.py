"""CPU throttling: a limit is that of the cgroup whose path is told, or the last two parts of its path, as once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_node import MS, PROBES, START, S, World

from santabpf.replay import replay
from santabpf.replay.explain import explanations
from santabpf.scenarios import get_scenario
from santabpf.verdict import Verdict

SCENARIO = "cpu_throttling"
LIMITED = "/acme.slice/jobs"
#: What a limit is called in recordings, since 2026-12 and before.
NAMES = (LIMITED, LIMITED.strip("/"))


def judged(name: str, folder: Path) -> Verdict:
    """Of a node on which the cgroups jobs and jobs-2 have a limit, and jobs is stopped by it."""
    world = World(20, probes=(*PROBES, "throttle", "cgroup_metrics"))
    hasher = world.lives("hasher", cgroup=LIMITED)
    world.lives("hasher", cgroup=f"{LIMITED}-2")
    for at in range(5, 15):
        end = START + (at + 1) * S
        world.rows["throttle"].append({
            "ts_ns": end - 100 * MS, "start_ns": hasher.start_ns, "tgid": hasher.tgid, "tid": hasher.tgid,
            "comm": hasher.comm, "wait_ns": 800 * MS, "quota_ns": 20 * MS, "period_ns": 100 * MS,
            "cgroup": name, "limited_cgroup": name, "limited_cgroup_id": 7, "cpu_went_idle": True,
        })  # fmt: skip
        world.rows["cgroup_metrics"] += [
            {"ts_ns": end, "span_ns": S, "cgroup": cgroup, "cpu_ns": 200 * MS, "periods": 10, "throttled_periods": 9,
             "throttled_ns": 800 * MS, "cpu_quota_ns": 20 * MS, "cpu_period_ns": 100 * MS}
            for cgroup in (LIMITED, f"{LIMITED}-2")
        ]  # fmt: skip
    (verdict,) = replay(world.write(folder), [SCENARIO]).verdicts
    assert verdict.state == "fired"
    return verdict


@pytest.mark.parametrize("name", NAMES)
def test_what_the_limited_cgroup_says_of_itself_is_found_by_its_name(name: str, tmp_path: Path) -> None:
    verdict = judged(name, tmp_path / "r")
    assert verdict.culprit is not None
    assert verdict.culprit.cgroup == LIMITED
    found = verdict.find("groups")
    assert [dict(zip(found.columns, row, strict=True))["cgroup"] for row in found.rows] == [LIMITED]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("cgroup", "is_explained"), [(LIMITED, 1), (f"{LIMITED}/web", 1), (f"{LIMITED}-2", 0)])
def test_it_explains_what_is_in_its_cgroup_and_nothing_else(
    name: str, cgroup: str, is_explained: int, tmp_path: Path
) -> None:
    verdict = judged(name, tmp_path / "r")
    assert verdict.culprit is not None
    queue = replace(verdict, scenario="accept_queue", culprit=replace(verdict.culprit, cgroup=cgroup))
    found = explanations([verdict, queue], [get_scenario(SCENARIO), get_scenario("accept_queue")])
    assert len(found) == is_explained
