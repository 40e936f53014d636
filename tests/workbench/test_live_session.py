"""A live recording as people drive it, with real BPF here and over SSH; and what can go wrong with a node."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from on_the_node import Traces
from own_sshd import Sshd

import santabpf as sb
from santabpf.check import CheckResult, Finding
from santabpf.errors import BadUsage, QueryFailed
from santabpf.workbench.live_session import Glance, LiveSession
from santabpf.workbench.meter import Meter

GONE_S = 12.0  # an elf waits 10 s for a ping


def until(session: LiveSession, is_so: Callable[[Glance], bool], timeout_s: float = 60) -> list[Glance]:
    """Glances, twice a second, up to the one that is so; fails when the session ends, or the time is up, before."""
    seen, deadline = [session.glance()], time.monotonic() + timeout_s
    while not is_so(seen[-1]):
        assert time.monotonic() < deadline, seen[-1].message
        assert session.is_running, seen[-1].message
        time.sleep(0.5)
        seen.append(session.glance())
    return seen


@pytest.mark.bpf
def test_it_is_checked_recorded_watched_stopped_and_kept_or_thrown_away(tmp_path: Path) -> None:
    session = LiveSession("local", ["cpu_usage", "short_lived_jobs"], "10m", out=tmp_path / "r")
    session.check()
    assert session.state == "checking"
    with pytest.raises(BadUsage, match="busy: checking"):
        session.start()
    assert session.wait() == "idle"
    assert session.message == "local can be recorded."
    assert session.hindered == ()
    session.start()
    seen = until(session, lambda glance: glance.elapsed_s > 4 and len(glance.verdicts) == 2)
    assert seen[0].rows == 0 < seen[-1].rows
    assert any(a.judged_to_ns == b.judged_to_ns and a.rows < b.rows for a, b in pairwise(seen))  # as they come
    assert [glance.elapsed_s for glance in seen] == sorted(glance.elapsed_s for glance in seen)
    assert 0 < (seen[-1].cost.cpu_ratio or 0) < 1
    assert seen[-1].cost.private_bytes
    assert {light.watched.scenario for light in seen[-1].lights} == {"cpu_usage", "short_lived_jobs"}
    assert {"cpu_busy", "short_cpu"} & set(session.signals().signal)
    with pytest.raises(BadUsage, match="busy: recording"):
        session.keep()
    session.stop()
    assert session.glance().state == "stopping"
    assert session.wait() == "over"
    assert session.result is not None
    assert [v for v, _ in session.glance().verdicts] == list(session.result.verdicts)
    kept = session.keep("monday")
    assert (session.state, kept.path) == ("kept", tmp_path / "monday")
    assert sb.open(tmp_path / "monday").state == "complete"
    assert sb.replay(kept, list(session.scenarios)).verdicts == session.result.verdicts
    session.discard()
    assert (session.state, list(tmp_path.iterdir())) == ("gone", [])
    with pytest.raises(BadUsage, match="no recording to keep"):
        session.keep()


@pytest.mark.bpf
@pytest.mark.ssh
def test_a_node_that_vanishes_is_a_sentence_and_what_came_before_is_kept(sshd: Sshd, tmp_path: Path) -> None:
    session = LiveSession(sshd.node, ["cpu_usage"], None, out=tmp_path / "r", **sshd.options)
    session.start()
    until(session, lambda glance: glance.elapsed_s > 1)
    sshd.end_sessions()
    assert session.wait() == "over"
    assert session.message.startswith("It ended before its time: ")
    assert "node-1: the SSH connection broke" in session.message
    assert session.recording is not None
    assert session.recording.state == "interrupted"


@pytest.mark.ssh
def test_a_login_without_rights_is_told_so(make_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
    sshd = make_sshd(user="tester")
    session = LiveSession(sshd.node, ["cpu_usage"], "5s", out=tmp_path / "r", **sshd.options)
    session.check()
    session.wait()
    assert session.message.startswith("node-1 can't be recorded: recorder: recording needs root")
    session.start()
    assert session.wait() == "idle"
    assert session.message.startswith("node-1: recording needs root")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("node", "scenarios", "duration", "said"),
    [
        ("no-such-host.invalid", ["cpu_usage"], "5s", "no-such-host.invalid"),
        ("-oProxyCommand=touch x", ["cpu_usage"], "5s", "-oProxyCommand"),
        ("", ["cpu_usage"], "5s", "is no node"),
        ("local", ["cpu_usag"], "5s", "did you mean 'cpu_usage'?"),
        ("local", ["cpu_usage"], "soon", "not a duration: 'soon'"),
        ("local", ["cpu_usage"], "0.1s", "too short"),
    ],
)
def test_what_can_not_be_is_a_sentence(
    node: str, scenarios: list[str], duration: str, said: str, tmp_path: Path
) -> None:
    session = LiveSession(node, scenarios, duration, out=tmp_path / "r")
    session.start()
    assert session.wait(30) == "idle"
    assert said in session.message
    assert "Traceback" not in session.message
    assert "SantaBPF itself" not in session.message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    session = LiveSession("local", ["cpu_usage"], "5s", out=tmp_path)
    session.start()
    assert session.wait() == "idle"
    assert str(tmp_path) in session.message
    with pytest.raises(BadUsage, match="no recording to keep or throw away"):
        session.discard()


def test_a_scenario_that_can_not_be_told_there_is_named_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    found = CheckResult("web-1", (
        Finding("probe exit", "degraded", "probe exit can't be used here: this kernel has no sched_process_exit"),
        Finding("probe metrics", "degraded", "does without: pressure"),
    ))  # fmt: skip
    monkeypatch.setattr("santabpf.workbench.live_session.check", lambda node, probes, **options: found)
    session = LiveSession("web-1", ["short_lived_jobs", "cpu_usage"])
    session.check()
    assert session.wait() == "idle"
    assert session.message == "web-1 can be recorded."
    assert {s.split(" can't be told on web-1: it needs the probe ")[1] for s in session.hindered} == {
        "exit, which can't be used here: this kernel has no sched_process_exit."
    }


@pytest.mark.bpf
def test_what_was_recorded_is_kept_where_judging_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(meter: Meter, evaluator: object) -> None:
        raise QueryFailed("the query took too long")

    monkeypatch.setattr(Meter, "read", fails)
    session = LiveSession("local", ["cpu_usage"], None, out=tmp_path / "r")
    session.start()
    assert session.wait(60) == "over"
    assert session.message.startswith("It could not be judged to the end: the query took too long. Recorded")
    assert session.keep("kept").state == "complete"


IN_A_KERNEL = """
from santabpf.workbench.live_session import LiveSession
import time
session = LiveSession("local", ["short_lived_jobs"], None, out={out!r})
session.start()
while session.glance().elapsed_s < 1:
    assert session.is_running, session.message
    time.sleep(0.1)
"""


@pytest.mark.bpf
def test_a_kernel_that_is_restarted_in_mid_recording_leaves_nothing_on_the_node(
    tmp_path: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        said = client.execute_interactive(IN_A_KERNEL.format(out=str(tmp_path / "r")), timeout=60)
        assert said["content"]["status"] == "ok"
        elves = traces.elves_below(manager.provisioner.pid)
        programs = traces.programs_of(elves)
        assert elves
        assert programs
        manager.restart_kernel(now=True)
        assert traces.wait_gone(elves, programs, GONE_S + 0.2 * len(programs)) == (set(), set())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    cut = sb.open(tmp_path / "r")
    assert cut.state == "interrupted"
    assert [v.state for v in sb.replay(cut, ["short_lived_jobs"]).verdicts] == ["cannot_tell"]


@pytest.mark.bpf
def test_a_python_that_ends_does_not_wait_for_the_end_of_its_recording(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_KERNEL.format(out=str(tmp_path / "r"))], timeout=60)
    assert done.returncode == 0
    assert sb.open(tmp_path / "r").state == "interrupted"
