"""Cells on another node: here this machine, reached over an sshd of our own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from own_sshd import Sshd

from santabpf.errors import CannotContain, CannotProvoke
from santabpf.gym import drill
from santabpf.gym import link as room
from santabpf.gym.contain import Cell, Limits, contain
from santabpf.transport import open_transport

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("cells")]
Scripts = Callable[[str], Path]
Gone = Callable[[int], None]


def guardian(cell: Cell) -> int:
    """The guardian's process id on its node, by which its groups are called."""
    return int(Path(cell.cgroup).parent.name.rpartition("-")[2])


def test_a_script_runs_there_and_nothing_of_it_is_left(sshd: Sshd, script: Scripts, gone: Gone) -> None:
    with open_transport(sshd.node, **sshd.options) as transport, contain("fault", None, transport) as cell:
        started = cell.start(script("echo before; read -r word; hostname; exit 23"))
        with pytest.raises(TimeoutError):
            started.wait(0.3)
        started.go()
        ended = started.wait(30)
        assert Path(cell.cgroup).is_dir()
    assert (ended.code, ended.output) == (23, "before\ndrill\n")
    assert (cell.ended, cell.clean) == ("closed", True)
    gone(guardian(cell))


def test_nothing_is_left_when_the_connection_is_cut(sshd: Sshd, script: Scripts, gone: Gone) -> None:
    with open_transport(sshd.node, **sshd.options) as transport, contain("fault", None, transport) as cell:
        started = cell.start(script("setsid sleep 1000 & sleep 1000"))
        transport.close()
        ended = started.wait(30)
        assert (ended.code, ended.why) == (None, "the connection broke, and its guardian has ended it there")
        gone(guardian(cell))
        with pytest.raises(CannotContain, match="the connection broke"):
            cell.start(script(""))


def test_nothing_is_left_when_the_runner_is_not_heard_of_any_more(
    sshd: Sshd, script: Scripts, gone: Gone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PING_S", 1000.0)
    monkeypatch.setattr("santabpf.gym.contain.SILENCE_S", 1.0)
    with open_transport(sshd.node, **sshd.options) as transport, contain("fault", None, transport) as cell:
        ended = cell.start(script("setsid sleep 1000 & sleep 1000")).wait(30)
        assert ended.why == "its guardian heard nothing for some seconds"
        gone(guardian(cell))


def test_pings_keep_a_cell_alive(sshd: Sshd, script: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PING_S", 0.2)
    monkeypatch.setattr("santabpf.gym.contain.SILENCE_S", 1.5)
    with open_transport(sshd.node, **sshd.options) as transport, contain("fault", None, transport) as cell:
        assert cell.start(script("sleep 3; echo lived")).wait(30).output == "lived\n"


def test_the_guardian_there_holds_to_the_time_limit(sshd: Sshd, script: Scripts, gone: Gone) -> None:
    with open_transport(sshd.node, **sshd.options) as transport:
        with contain("fault", Limits(seconds=1), transport) as cell:
            assert cell.start(script("sleep 1000")).wait(30).why == "its time was over"
        gone(guardian(cell))


def test_a_drill_there_says_what_it_will_do_and_does_nothing_where_it_may_not() -> None:
    told: list[str] = []

    def no(what: str) -> bool:
        told.append(what)
        return False

    for ask in (no, None):
        with pytest.raises(CannotProvoke, match="not allowed on web-1, so nothing was done there"):
            drill("short_lived_jobs", "cron", seconds=7, node="web-1", ask=ask)
    (what,) = told
    assert what.startswith("On web-1, as root: short_lived_jobs, cron is provoked for 7 s by reproduce.sh")
    for part in ("recorded with BPF", "no network but its own loopback", "when the connection is lost"):
        assert part in what


def test_the_command_line_wants_a_yes_where_nobody_can_be_asked(sshd: Sshd) -> None:
    argv = [sys.executable, "-m", "santabpf", "drill", "short_lived_jobs", "--node", sshd.node]
    argv += ["--ssh-config", str(sshd.config)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"On {sshd.node}, as root: ")
    assert done.stderr.endswith("santabpf: nobody is here to say yes to that; --yes says it beforehand\n")


@pytest.mark.bpf
def test_a_drill_there_is_recorded_and_judged(sshd: Sshd) -> None:
    result = drill("reverse_shell", "python", seconds=5, node=sshd.node, ask=lambda what: True, **sshd.options)
    assert result.ok, result.to_text()
    assert result.verdict.culprit is not None
    assert result.verdict.culprit.peer == "127.0.0.1 port 4444"
