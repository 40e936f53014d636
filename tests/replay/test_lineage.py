"""Who started a process, who started that, and so on; and who waited for a CPU, where that was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import MS, PROBES, START, S, World

from santabpf.errors import BadScenario
from santabpf.replay import check_scenario, replay
from santabpf.scenarios import load_scenario
from santabpf.shipped import shipped
from santabpf.verdict import Verdict


def busy(world: World, path: Path) -> Verdict:
    """A worker fills both CPUs: cron starts sh, and sh the worker; the pid of cron comes round while it works."""
    cron = world.lives("cron", tgid=5003, parent=world.init)
    sh = world.run(cron, ["/bin/sh", "job"], at=1, life_ms=0, cpu_ms=0, ends=False)
    worker = world.run(sh, ["/usr/bin/worker"], at=2, life_ms=0, cpu_ms=0, ends=False)
    again = world.run(world.init, ["/usr/bin/other"], at=6, life_ms=1000, cpu_ms=1)
    assert again.tgid == cron.tgid
    world.uses_cpu(worker, 3, 11, 1960)
    (verdict,) = replay(world.write(path), ["cpu_usage"]).verdicts
    assert verdict.state == "fired"
    return verdict


def test_the_line_of_parents_is_told_to_the_first_and_a_pid_that_came_round_is_no_parent(tmp_path: Path) -> None:
    verdict = busy(World(12), tmp_path / "r")
    assert verdict.culprit is not None
    assert verdict.culprit.text.endswith(
        "worker (pid 5002) was started by sh (5001), that by cron (5003), that by systemd (1)")
    rows = [row[:3] for row in verdict.find("ancestry").rows]
    assert rows == [(0, 5002, "worker"), (1, 5001, "sh"), (2, 5003, "cron"), (3, 1, "systemd")]


def waits(world: World, tgid: int, comm: str, times: int, wait_ms: int, nice: int = 0) -> None:
    world.rows["runq"] += [
        {"ts_ns": START + 5 * S + n * MS, "start_ns": 7, "wait_ns": wait_ms * MS, "tgid": tgid, "tid": tgid,
         "prev_tid": 1, "cpu": 0, "was_preempted": True, "nice": nice, "comm": comm, "prev_comm": "worker"}
        for n in range(times)
    ]  # fmt: skip


def test_who_waited_how_often_and_how_long_is_told_where_it_was_recorded(tmp_path: Path) -> None:
    world = World(12, probes=(*PROBES, "runq"))
    waits(world, 71, "web", 23, 30)
    waits(world, 72, "mail", 5, 20)
    waits(world, 73, "backup", 40, 90, nice=19)
    verdict = busy(world, tmp_path / "r")
    assert verdict.impact[-1].text == (
        "2 processes waited for a CPU, 790 ms in all, in waits of 10 ms or more: web (pid 71) 23 times, "
        "690 ms together, at longest 30 ms; mail (pid 72) 5 times, 100 ms together, at longest 20 ms."
    )
    assert not any("Who waited" in sentence.text for sentence in verdict.could_not_tell)


def test_that_nobody_waited_is_told_and_that_nobody_looked_is_another_thing(tmp_path: Path) -> None:
    looked = busy(World(12, probes=(*PROBES, "runq")), tmp_path / "looked")
    assert looked.impact[-1].text.startswith("No thread waited for a CPU for 10 ms or more")
    blind = busy(World(12), tmp_path / "blind")
    assert not any("No thread waited" in sentence.text for sentence in blind.impact)
    assert any("Who waited for a CPU meanwhile" in sentence.text for sentence in blind.could_not_tell)


def test_a_column_that_the_process_does_not_have_is_told_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "disk_full"
    folder.mkdir()
    text = (shipped("scenarios") / "disk_full" / "scenario.yaml").read_text()
    wrong = text.replace("ancestors_of: SELECT tgid, start_ns", "ancestors_of: SELECT tgid, strat_ns")
    (folder / "scenario.yaml").write_text(wrong)
    line = next(n for n, row in enumerate(wrong.split("\n"), 1) if "strat_ns" in row)
    with pytest.raises(BadScenario, match=rf"scenario\.yaml:{line}: evidence\.ancestry\.ancestors_of: .*'strat_ns'"):
        check_scenario(load_scenario(folder))
