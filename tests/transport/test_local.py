"""This machine as a node: pipes to a child process."""

from __future__ import annotations

import signal
import threading

import pytest
from on_the_node import Traces

from santabpf.errors import CannotRecord, ConnectionLost
from santabpf.transport.local import Local


def test_a_command_gets_bytes_and_gives_bytes_and_its_exit_code() -> None:
    with Local() as node:
        assert node.run(["sh", "-c", "cat; echo err >&2; exit 7"], stdin=b"\0\xff in") == (7, b"\0\xff in", b"err\n")


def test_a_command_that_reads_nothing_gives_its_answer_all_the_same() -> None:
    assert Local().run(["echo", "hi"], stdin=b"x" * 1_000_000).out == b"hi\n"


def test_only_the_end_of_a_long_stderr_is_kept() -> None:
    err = Local().run(["sh", "-c", "head -c 300000 /dev/zero >&2; echo the end >&2"]).err
    assert err.endswith(b"the end\n")
    assert len(err) == 16 << 10


def test_a_command_that_is_not_there_is_said() -> None:
    with pytest.raises(CannotRecord, match="local: /nowhere/it can't be run: No such file or directory"):
        Local().run(["/nowhere/it"])


def test_a_command_that_hangs_is_given_up_and_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.transport.local.GRACE_S", 0.1)
    with pytest.raises(ConnectionLost, match=r"local: sleep did not end within 0\.1 s"):
        Local().run(["sleep", "600"], timeout_s=0.1)


def test_nothing_yet_differs_from_the_end() -> None:
    channel = Local().start(["cat"])
    assert channel.read(0.01) is None
    assert channel.exit_code(0) is None
    channel.write(b"x")
    assert channel.read(10) == b"x"
    channel.end_input()
    assert channel.read(10) == b""
    assert channel.exit_code(10) == 0
    channel.close()
    assert channel.read(0) == b""


def test_closing_kills_what_does_not_leave_and_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.transport.local.GRACE_S", 0.1)
    channel = Local().start(["sh", "-c", "sleep 600 & echo $!; wait"])
    pid = int(channel.read(10) or b"")
    channel.close()
    assert Traces().wait_gone({pid}, set(), 5) == (set(), set())
    assert channel.exit_code(0) == -signal.SIGKILL


def test_closing_does_not_wait_for_a_kernel_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.transport.local.GRACE_S", 0.05)
    monkeypatch.setattr("os.killpg", lambda pid, number: None)  # as one that is killed, and has still much to give back
    channel = Local().start(["sleep", "0.6"])
    channel.close()
    assert channel.exit_code(0) is None
    assert channel.exit_code(10) == 0
    for thread in threading.enumerate():
        if thread.name == "santabpf-reaper":
            thread.join(10)
            assert not thread.is_alive()


def test_writing_to_one_that_has_left_is_a_lost_connection() -> None:
    channel = Local().start(["true"])
    assert channel.exit_code(10) == 0
    with pytest.raises(ConnectionLost, match="local: the process has closed its input"):
        channel.write(b"x")
    channel.close()


def test_writing_to_one_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.transport.local.WRITE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("santabpf.transport.local.GRACE_S", 0.1)
    channel = Local().start(["sleep", "600"])
    with pytest.raises(ConnectionLost, match="local: the process does not read its input"):
        channel.write(b"x" * 10_000_000)
    channel.close()


def test_ctrl_c_does_not_reach_the_child() -> None:
    pid, session = Local().run(["sh", "-c", "echo $$; cut -d' ' -f6 /proc/$$/stat"]).out.split()
    assert pid == session


def test_who_is_not_root_and_has_no_sudo_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("santabpf.transport.local.SUDO", ["/nonexistent/sudo"])
    with pytest.raises(CannotRecord, match="needs root, and there is no sudo"):
        Local().start(["true"], sudo=True)
