"""An elf over a real sshd: started as root or by sudo, and gone when its connection goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from on_the_node import Traces
from own_sshd import Sshd
from tiny_elf import converse, no_answer, stop_at_tick, zipped

from santabpf import wire
from santabpf.errors import CannotRecord, ConnectionLost
from santabpf.launch import Stream
from santabpf.transport import open_transport

pytestmark = pytest.mark.ssh
MakeSshd = Callable[..., Sshd]
Answer = Callable[[Stream, wire.Frame], None]


def over(sshd: Sshd, code: bytes, answer: Answer = no_answer, **options: object) -> list[wire.Frame]:
    with open_transport(sshd.node, **sshd.options) as node:
        return converse(node, code, answer, **options)


def test_an_elf_says_hello_ticks_and_bye(sshd: Sshd, tmp_path: Path) -> None:
    plan = {"version": 1, "text": "x" * 100_000}
    frames = over(sshd, zipped(tmp_path), stop_at_tick, plan=plan)
    assert [frame.kind for frame in frames] == [wire.HELLO, wire.TICK, wire.BYE]
    assert frames[0].json()["plan"] == plan


def test_what_a_login_prints_is_not_taken_for_frames(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(lines=['ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"'])
    with open_transport(sshd.node, **sshd.options) as node:
        assert node.run(["echo", "x"]).out == b"Welcome\nx\n"
    assert over(sshd, zipped(tmp_path), stop_at_tick)[-1].kind == wire.BYE


def test_an_elf_leaves_when_the_connection_is_killed(sshd: Sshd, tmp_path: Path, traces: Traces) -> None:
    elves: set[int] = set()

    def kill_the_session(stream: Stream, frame: wire.Frame) -> None:
        elves.update(traces.elves_below(sshd.pid))
        for pid in sshd.sessions():
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(ConnectionLost, match="node-1: the SSH connection broke"):
        over(sshd, zipped(tmp_path), kill_the_session)
    assert len(elves) == 1
    assert traces.wait_gone(elves, set(), 10) == (set(), set())


def test_a_connection_that_hangs_is_given_up(sshd: Sshd, tmp_path: Path, traces: Traces) -> None:
    elves: set[int] = set()
    stopped: set[int] = set()

    def stop_the_session(stream: Stream, frame: wire.Frame) -> None:
        elves.update(traces.elves_below(sshd.pid))
        stopped.update(sshd.sessions())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    try:
        with pytest.raises(ConnectionLost, match=r"node-1: nothing came from the recorder for 1\.5 s"):
            over(sshd, zipped(tmp_path), stop_the_session, silence_s=1.5)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert len(elves) == 1
    assert traces.wait_gone(elves, set(), 10) == (set(), set())


def without_root(make_sshd: MakeSshd, sudo: str = "") -> Sshd:
    """An sshd with a login that isn't root; sudo: a shell script that stands in for it (empty: there is none)."""
    if os.geteuid() != 0:
        pytest.skip("ssh: a second login needs a mount namespace, and that needs root")
    sshd = make_sshd(user="tester", lines=["SetEnv PATH={folder}/bin"])
    tools = sshd.folder / "bin"
    tools.mkdir()
    (tools / "id").symlink_to("/usr/bin/id")
    if sudo:
        (tools / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
        (tools / "sudo").chmod(0o755)
    return sshd


@pytest.mark.parametrize(
    ("sudo", "says"),
    [
        ("", "recording needs root, and there is no sudo; log in as root"),
        ("echo 'sudo: a password is required' >&2; exit 1", "sudo says no to this login: a password is required"),
    ],
)
def test_a_login_that_can_not_become_root_can_not_record(make_sshd: MakeSshd, sudo: str, says: str) -> None:
    sshd = without_root(make_sshd, sudo)
    with pytest.raises(CannotRecord, match=f"node-1: .*{says}"):
        over(sshd, b"")


def test_a_login_that_is_not_root_records_by_sudo_without_a_password(make_sshd: MakeSshd, tmp_path: Path) -> None:
    # The stand-in does not change the user; it checks how it is asked.
    sshd = without_root(make_sshd, 'test "$1 $2" = "-n --" || exit 9; shift 2; exec "$@"')
    assert over(sshd, zipped(tmp_path), stop_at_tick)[-1].kind == wire.BYE
