"""Drills as they happen, with the real recorder, and what a script that does not do its work is told as."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from santabpf.errors import BadUsage, CannotProvoke
from santabpf.gym import drill, reproduce, run
from santabpf.gym.contain import Limits
from santabpf.gym.variants import Variant, variants
from santabpf.scenarios import all_scenarios
from santabpf.shipped import shipped


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A script of the test's own in the place of every variant's."""
    path = tmp_path / "fault.sh"
    monkeypatch.setattr(run, "get_variant", lambda folder, name: Variant("planted", path, (), "fired"))
    return path


def plant(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nread -r word\n{text}\n")


@pytest.mark.bpf
@pytest.mark.usefixtures("cells")
def test_a_restart_loop_fires_and_its_recording_can_be_kept(tmp_path: Path) -> None:
    result = drill("short_lived_jobs", "restart-loop", seconds=8, keep=tmp_path / "kept")
    assert (result.verdict.state, result.ok) == ("fired", True), result.to_text()
    assert result.recording is not None
    jobs = result.recording["exit"].df()
    mine = jobs[jobs.comm == "billing-service"]
    assert len(mine) > 20
    assert set(mine.code) == {1}
    assert set(mine.pcomm) == {"supervise"}
    assert not list(Path("/sys/fs/cgroup").rglob(result.recording.info["scope"]["cgroup"].split("/")[-2]))


@pytest.mark.bpf
@pytest.mark.usefixtures("cells")
def test_the_fault_begins_after_some_watched_quiet_seconds(tmp_path: Path) -> None:
    result = drill("fd_exhaustion", "open", seconds=4, probes=["opens"], keep=tmp_path / "kept")
    assert (result.verdict.state, result.ok) == ("fired", True), result.to_text()
    assert result.recording is not None
    assert result.recording["opens"].rows > 0  # of what it was asked to record besides
    start_ns, end_ns = result.recording.window
    refused = result.recording["exhausted_case"].df().ts_ns
    assert refused.min() - start_ns > 1.5e9
    assert end_ns - refused.max() > 1e9


@pytest.mark.bpf
@pytest.mark.usefixtures("cells")
def test_long_lived_hogs_stay_quiet() -> None:
    result = drill("short_lived_jobs", "long-lived", seconds=7)
    assert (result.verdict.state, result.recording) == ("quiet", None), result.to_text()
    assert result.as_dict()["ok"] is True


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("name", ["restart-loop", "cron", "long-lived", "idle", "build", "services"])
def test_everything_can_be_provoked_without_looking_and_ends_by_itself(name: str) -> None:
    told: list[str] = []
    try:
        result = reproduce("short_lived_jobs", name, seconds=2, say=told.append)
    except CannotProvoke as exc:
        if "is not installed here" in str(exc) and not os.environ.get("SANTABPF_REQUIRE"):
            pytest.skip(str(exc))
        raise
    assert result.ended.code == 0
    assert told == [f"short_lived_jobs, {name}: for 2 s, in the control group {result.cgroup}"]
    assert not Path(result.cgroup).exists()


@pytest.mark.usefixtures("cells")
def test_a_missing_program_is_named(planted: Path) -> None:
    plant(planted, "echo wrk is not installed here; exit 77")
    with pytest.raises(CannotProvoke, match=r"^drill short_lived_jobs, planted: wrk is not installed here$"):
        reproduce("short_lived_jobs")


@pytest.mark.usefixtures("cells")
def test_a_script_that_fails_is_told_with_its_last_words(planted: Path) -> None:
    plant(planted, "echo first; echo the last straw; exit 3")
    with pytest.raises(CannotProvoke, match=r"fault\.sh failed \(exit code 3\): the last straw$"):
        reproduce("short_lived_jobs")


@pytest.mark.bpf
@pytest.mark.usefixtures("cells")
def test_a_drill_whose_script_fails_gives_no_verdict_and_keeps_nothing(planted: Path, tmp_path: Path) -> None:
    plant(planted, "exit 3")
    with pytest.raises(CannotProvoke, match="it said nothing"):
        drill("short_lived_jobs", seconds=1, keep=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_a_drill_cannot_do_is_told_before_anything_is_provoked(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="did you mean 'short_lived_jobs'"):
        drill("short_lived_job")
    with pytest.raises(BadUsage, match="did you mean 'restart-loop'"):
        drill("short_lived_jobs", "restart_loop")
    with pytest.raises(CannotProvoke, match="not allowed on web-1"):
        drill("short_lived_jobs", node="web-1")
    with pytest.raises(BadUsage, match="exists already"):
        drill("short_lived_jobs", keep=tmp_path)
    with pytest.raises(BadUsage, match="1 to 600 seconds, not 0"):
        drill("short_lived_jobs", seconds=0)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(cpu_percent=20), "up to 20 % of one CPU's time:\nwhat else is to run there, services too, waits"),
        (Limits(cpus=2, cpu_percent=186), "it comes first, up to 186 % of one CPU's time:"),
        (Limits(cpu_percent=1000), "it comes first, as much of that as it wants:"),
        (Limits(), "is lost. Nothing of it is left there."),
    ],
)
def test_who_allows_a_drill_is_told_that_it_goes_before_others(limits: Limits, words: str) -> None:
    variant = Variant("storm", Path("reproduce.sh"), (), "fired")
    assert words in run.announce("web-1", "cpu_throttling", variant, 12, limits)


@pytest.mark.parametrize(
    "script", sorted(shipped("scenarios").rglob("*.sh")), ids=lambda path: f"{path.parts[-3]}-{path.stem}"
)
def test_a_reproducer_refuses_to_run_outside_of_a_cell(script: Path) -> None:
    called = ["/bin/sh", script, "x", "1"]
    done = subprocess.run(called, capture_output=True, text=True, env={}, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    scenario = script.relative_to(shipped("scenarios")).parts[0]
    how = "reproduce" if script.name == "reproduce.sh" else "drill"
    assert re.search(rf"SANTABPF_CELL: run this with: santabpf {how} {scenario}\b", done.stderr), done.stderr


def test_all_that_is_started_as_a_drill_is_such_a_script() -> None:
    folders = [s.folder for s in all_scenarios().values() if (s.folder / "reproduce.sh").is_file()]
    started = {variant.script for folder in folders for variant in variants(folder).values()}
    assert started == {*shipped("scenarios").rglob("*.sh")}
