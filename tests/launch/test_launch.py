"""Starting an elf: over this machine's pipes with a tiny elf of our own, and over a node that isn't there."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import select
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from tiny_elf import TINY_ELF, converse, stop_at_tick, zipped

from santabpf import wire
from santabpf.errors import CannotRecord, ConnectionLost
from santabpf.launch import BOOTSTRAP, COMMAND, Stream, launch
from santabpf.transport import Transport
from santabpf.transport.fake import Fake
from santabpf.transport.local import Local

HELLO = wire.pack(wire.HELLO, 0, 0, 0, {"version": 1})
BYE = wire.pack(wire.BYE, 0, 1, 0, {"reason": "asked"})

def drained(stream: Stream) -> list[wire.Frame]:
    reader = wire.Reader()
    return [frame for chunk in stream for frame in reader.feed(chunk)]


def run(node: Transport, *, stop_s: float | None = None, **options: float) -> list[wire.Frame]:
    """All that an elf says, from its start to its end."""
    with launch(node, {}, code=b"", **options) as stream:
        if stop_s is not None:
            stream.stop(stop_s)
        return drained(stream)


def test_an_elf_gets_its_plan_and_pings_and_leaves_when_asked(tmp_path: Path) -> None:
    plan = {"version": 1, "text": "x" * 100_000, "snow": "❄"}
    with Local() as node:
        frames = converse(node, zipped(tmp_path), stop_at_tick, plan=plan)
    assert [frame.kind for frame in frames] == [wire.HELLO, wire.TICK, wire.BYE]
    assert frames[0].json()["plan"] == plan
    assert frames[1].json() == {"heard": "."}


def test_leaving_the_stream_early_ends_the_elf(tmp_path: Path) -> None:
    with Local() as node, launch(node, {}, code=zipped(tmp_path)) as stream:
        reader = wire.Reader()
        hello = next(frame for chunk in stream for frame in reader.feed(chunk))
    with pytest.raises(ProcessLookupError):
        os.kill(hello.json()["pid"], 0)


def test_an_elf_that_does_not_leave_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.transport.local.GRACE_S", 0.1)
    stubborn = TINY_ELF.replace("    return 0", "    import time; time.sleep(600)")
    with Local() as node, launch(node, {}, code=zipped(tmp_path, stubborn)) as stream:
        reader = wire.Reader()
        hello = next(frame for chunk in stream for frame in reader.feed(chunk))
    with pytest.raises(ProcessLookupError):
        os.kill(hello.json()["pid"], 0)


def test_a_keyboard_interrupt_in_the_loop_ends_the_elf(tmp_path: Path) -> None:
    pid = 0
    with (  # noqa: PT012 - the interrupt comes from within the loop
        pytest.raises(KeyboardInterrupt),
        Local() as node,
        launch(node, {}, code=zipped(tmp_path)) as stream,
    ):
        for chunk in stream:
            for frame in wire.Reader().feed(chunk):
                pid = frame.json()["pid"]
                signal.raise_signal(signal.SIGINT)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_interrupt_while_starting_closes_the_channel() -> None:
    class Interrupted(Fake):
        def start(self, argv: list[str], *, sudo: bool = False):  # type: ignore[no-untyped-def]
            channel = super().start(argv, sudo=sudo)

            def write(data: bytes) -> None:
                raise KeyboardInterrupt

            channel.write = write  # type: ignore[method-assign]
            return channel

    node = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(node)
    assert node.channels[0].closed


def test_the_code_goes_first_then_the_plan_and_it_runs_as_root() -> None:
    node = Fake([HELLO, BYE])
    with launch(node, {"version": 1}, code=b"ZIP") as stream:
        assert drained(stream)[-1].kind == wire.BYE
    (channel,) = node.channels
    assert channel.sudo
    assert channel.argv == COMMAND
    assert bytes(channel.written).startswith(b'\x03\0\0\0ZIP\x0d\0\0\0{"version":1}')
    assert channel.closed


def test_the_command_is_one_line_that_means_the_bootstrap() -> None:
    assert "\n" not in COMMAND[-1]
    assert ast.literal_eval(COMMAND[-1].removeprefix("exec(").removesuffix(")")) == BOOTSTRAP


def test_the_code_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = zipped(tmp_path), zipped(tmp_path)
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        names = ["santabpf/__init__.py", "santabpf/elf/__init__.py", "santabpf/elf/main.py", "santabpf/wire.py"]
        assert archive.namelist() == names
        assert archive.read("santabpf/__init__.py") == b""


def test_what_a_login_shell_prints_before_the_first_frame_is_dropped() -> None:
    node = Fake([b"Welcome to web-1!\nSB", b"Load: 0.1\n" + HELLO[:10], HELLO[10:] + BYE])
    with launch(node, {}, code=b"") as stream:
        assert [frame.kind for frame in drained(stream)] == [wire.HELLO, wire.BYE]


def test_an_empty_chunk_comes_when_nothing_came() -> None:
    node = Fake([HELLO, None, BYE])
    with launch(node, {}, code=b"") as stream:
        assert list(stream) == [HELLO, b"", BYE]


def test_an_end_without_a_bye_is_a_lost_connection() -> None:
    node = Fake([HELLO], err=b"Traceback ...\nMemoryError\n", code=1)
    with pytest.raises(ConnectionLost, match=r"fake: the recorder ended with exit code 1 .*; it said: MemoryError"):
        run(node)
    assert node.channels[0].closed


def test_a_bye_that_is_cut_is_no_bye() -> None:
    node = Fake([HELLO, BYE[:-1]], code=None)
    with pytest.raises(ConnectionLost, match="ended without a word"), launch(node, {}, code=b"") as stream:
        drained(stream)


def test_silence_after_the_first_frame_is_a_lost_connection() -> None:
    node = Fake([HELLO], hangs=True)
    with pytest.raises(ConnectionLost, match=r"nothing came from the recorder for 0.05 s"):
        run(node, silence_s=0.05)


def test_an_elf_that_never_starts_is_told_apart_from_one_that_falls_silent() -> None:
    node = Fake(hangs=True)
    with pytest.raises(ConnectionLost, match=r"the recorder did not start for 0.05 s"):
        run(node, start_s=0.05)


def test_an_elf_that_does_not_finish_is_given_up_after_a_while() -> None:
    node = Fake([HELLO], hangs=True)
    with pytest.raises(ConnectionLost, match=r"did not finish within 0.05 s of being asked to"):
        run(node, stop_s=0.05)
    assert bytes(node.channels[0].written).endswith(b"q")


def test_an_elf_that_still_has_much_to_tell_is_waited_for_as_long_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.launch.DRAIN_BYTES", 1)
    some = wire.pack(wire.TICK, 0, 1, 0, {})
    with launch(Fake([HELLO, some, BYE], hangs=True), {}, code=b"") as stream:
        stream.stop(0.05)
        chunks = iter(stream)
        told = b"".join(next(chunks) for _ in range(3))
        assert stream.said_bye
    assert told == HELLO + some + BYE
    monkeypatch.setattr("santabpf.launch.DRAIN_S", 0.2)
    with pytest.raises(ConnectionLost, match=r"not finish within 0.2 s of being asked to, though \d+ B came meanwhile"):
        run(Fake([HELLO, some], hangs=True), stop_s=0.05)


def test_what_a_slow_reader_does_with_what_came_is_not_held_against_the_elf() -> None:
    reader = wire.Reader()
    with launch(Fake([HELLO, BYE]), {}, code=b"") as stream:
        stream.stop(0.05)
        kinds = []
        for chunk in stream:
            kinds += [frame.kind for frame in reader.feed(chunk)]
            time.sleep(0.2)
    assert kinds == [wire.HELLO, wire.BYE]


@pytest.mark.parametrize(
    ("err", "code", "says", "mends"),
    [
        ("sudo: a password is required", 1, "sudo says no to this login: a password is required", "NOPASSWD"),
        ("sudo: sorry, you must have a tty to run sudo", 1, "you must have a tty", "NOPASSWD"),
        ("sh: 1: sudo: not found", 127, "there is no sudo; log in as root", ""),
        ("sh: 1: /usr/bin/python3: not found", 127, "there is no /usr/bin/python3", "apt-get install python3"),
        ("sudo: /usr/bin/python3: command not found", 1, "there is no /usr/bin/python3", "apt-get install python3"),
        ("santabpf: Python 3.8 is too old, 3.9 is needed", 1, "Python 3.8 is too old, 3.9 is needed", ""),
        ("Segmentation fault", 139, r"did not start \(exit code 139\); it said: Segmentation fault", ""),
    ],
)
def test_an_elf_that_can_not_start_says_why_and_what_mends_it(err: str, code: int, says: str, mends: str) -> None:
    node = Fake(err=err.encode(), code=code)
    with pytest.raises(CannotRecord, match=says) as caught, launch(node, {}, code=b"") as stream:
        drained(stream)
    assert mends in caught.value.what_to_do
    assert bool(mends) == bool(caught.value.what_to_do)


def test_no_python_on_this_machine_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.launch.COMMAND", ["/nowhere/python3"])
    with pytest.raises(CannotRecord, match="/nowhere/python3 can't be run: No such file"):
        run(Local())


SANTA = """
import sys, json
from santabpf.launch import launch
from santabpf.transport.local import Local
from santabpf import wire
reader = wire.Reader()
with Local() as node, launch(node, {}, code=open(sys.argv[1], "rb").read()) as stream:
    for chunk in stream:
        for frame in reader.feed(chunk):
            if frame.kind == wire.HELLO:
                print(frame.json()["pid"], flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_elf_outlives_its_santa(tmp_path: Path, how: signal.Signals) -> None:
    code = tmp_path / "code.zip"
    code.write_bytes(zipped(tmp_path))
    santa = subprocess.Popen(
        [sys.executable, "-c", SANTA, str(code)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with santa:
        assert santa.stdout is not None
        pid = int(santa.stdout.readline())
        elf = os.pidfd_open(pid)
        try:
            santa.send_signal(how)
            ready, _, _ = select.select([elf], [], [], 10)
            assert ready, "the elf is still there after 10 s"
        finally:
            os.close(elf)
            santa.kill()


def test_the_bootstrap_needs_no_newer_python_than_it_checks_for() -> None:
    assert ast.parse(BOOTSTRAP, feature_version=(3, 4)).body


def test_a_connection_that_ends_before_the_code_is_there_leaves_a_sentence() -> None:
    done = subprocess.run(COMMAND, input=b"\x10\0\0\0half", capture_output=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr == b"santabpf: the connection ended before the code was here\n"
    assert done.stdout == b""
