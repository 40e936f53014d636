"""Signals that the tests send themselves: who sent each to whom, and what became of it."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from probes.accounts import RingTally, assert_sound
from real_elf import Elf, load, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23
#: Sends so many, each when the one before has been taken, or is blocked.
KILLER = """
import os, sys, time
def is_pending(bit):
    with open("/proc/%s/status" % sys.argv[1]) as stream:
        sets = {line[:6]: int(line[7:], 16) for line in stream if line[:6] in ("ShdPnd", "SigBlk")}
    return sets["ShdPnd"] & ~sets["SigBlk"] & bit
for _ in range(int(sys.argv[2])):
    os.kill(int(sys.argv[1]), int(sys.argv[3]))
    while is_pending(1 << int(sys.argv[3]) - 1):
        time.sleep(0.001)
"""
#: Sends itself one that it ignores, hundreds of thousands a second.
STORM = "import os, signal\nsignal.signal(10, signal.SIG_IGN)\nwhile True: os.kill(os.getpid(), 10)"
#: Does what it is told in its arguments, says that it is ready, and sleeps until its stdin ends.
TARGET = """
import signal, sys
for do, number in zip(sys.argv[1::2], sys.argv[2::2]):
    if do == "handle": signal.signal(int(number), lambda *a: None)
    if do == "ignore": signal.signal(int(number), signal.SIG_IGN)
    if do == "block": signal.pthread_sigmask(signal.SIG_BLOCK, [int(number)])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def elf() -> Iterator[Elf]:
    with Elf(plan_of("signals")) as running:
        running.until(wire.HELLO)
        running.read(0.2)
        yield running


def python(code: str, *argv: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(["/usr/bin/python3", "-c", code, *map(str, argv)], text=True, **options)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    child = python(TARGET, *request.param, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    yield child
    child.kill()
    child.communicate()


def kill(target: int, times: int, number: int) -> int:
    """A process that sends so many signals; its id."""
    killer = python(KILLER, target, times, number)
    assert killer.wait() == 0
    return killer.pid


def rows_of(elf: Elf, pid: int, number: int) -> np.ndarray[Any, np.dtype[Any]]:
    elf.settle("signals")
    rows = elf.records("signals")
    return rows[(rows["tgid"] == pid) & (rows["signal"] == number)]


def taken(elf: Elf, number: int) -> dict[tuple[int, bytes], int]:
    """(action, comm) -> how often this signal was taken, on all CPUs."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    payload = elf.payloads(wire.MAP, "signals_taken")[-1]
    out = {}
    for at in range(0, len(payload), 24 + 8 * cpus):
        signo, action, comm = struct.unpack_from("<iI16s", payload, at)
        if signo == number:
            out[action, comm.rstrip(b"\0")] = sum(struct.unpack_from(f"<{cpus}Q", payload, at + 24))
    return out


@pytest.mark.parametrize("target", [["handle", int(signal.SIGUSR1)]], indirect=True)
def test_23_signals_that_are_handled_name_who_sent_them(elf: Elf, target: subprocess.Popen[str]) -> None:
    killer = kill(target.pid, PLANTED, signal.SIGUSR1)
    rows = rows_of(elf, target.pid, signal.SIGUSR1)
    assert len(rows) == PLANTED
    for name, value in {"sender_tgid": killer, "sender_uid": os.getuid(), "code": 0, "action": 2, "result": 0}.items():
        assert set(rows[name].tolist()) == {value}, name
    assert set(rows["comm"]) == set(rows["sender_comm"]) == {b"python3"}
    assert rows["to_process"].all()
    assert not rows["is_blocked"].any()
    assert set(rows["tid"].tolist()) == {target.pid}
    assert len(set(rows["sender_start_ns"].tolist())) == len(set(rows["start_ns"].tolist())) == 1
    assert (rows["sender_start_ns"] > rows["start_ns"]).all()


@pytest.mark.parametrize("target", [["ignore", int(signal.SIGUSR2)]], indirect=True)
def test_23_signals_that_are_ignored_say_so(elf: Elf, target: subprocess.Popen[str]) -> None:
    killer = kill(target.pid, PLANTED, signal.SIGUSR2)
    rows = rows_of(elf, target.pid, signal.SIGUSR2)
    assert len(rows) == PLANTED
    assert set(zip(rows["action"].tolist(), rows["result"].tolist(), strict=True)) == {(1, 1)}
    assert set(rows["sender_tgid"].tolist()) == {killer}


@pytest.mark.parametrize("target", [["block", int(signal.SIGTERM)]], indirect=True)
def test_a_blocked_signal_stays_pending_and_the_next_one_finds_it_so(elf: Elf, target: subprocess.Popen[str]) -> None:
    kill(target.pid, PLANTED, signal.SIGTERM)
    rows = rows_of(elf, target.pid, signal.SIGTERM)
    assert rows["result"].tolist() == [0] + [2] * (PLANTED - 1)
    assert rows["is_blocked"].all()
    assert set(rows["action"].tolist()) == {0}


def test_23_kills_of_23_processes_find_each_of_them_unprepared(elf: Elf) -> None:
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(PLANTED)]
    for child in children:
        child.send_signal(signal.SIGKILL)
        child.wait()
    elf.settle("signals")
    rows = elf.records("signals")
    rows = rows[np.isin(rows["tgid"], [c.pid for c in children])]
    assert sorted(rows["tgid"].tolist()) == sorted(c.pid for c in children)
    assert set(rows["signal"].tolist()) == {int(signal.SIGKILL)}
    assert set(rows["action"].tolist()) == {0}
    assert set(rows["sender_tgid"].tolist()) == {os.getpid()}


def test_what_the_kernel_sends_has_no_sender(elf: Elf) -> None:
    alarm = python("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nsignal.pause()")
    assert alarm.wait() == -signal.SIGALRM
    fault = python("import ctypes\nctypes.string_at(0)")
    assert fault.wait() == -signal.SIGSEGV
    for pid, number, code in ((alarm.pid, signal.SIGALRM, 128), (fault.pid, signal.SIGSEGV, 1)):
        (row,) = rows_of(elf, pid, number)
        assert (row["code"], row["action"]) == (code, 0)
        assert (row["sender_tgid"], row["sender_start_ns"], row["sender_comm"]) == (0, 0, b"")
        assert row["sender_uid"] == 0xFFFFFFFF


def test_an_abort_is_a_row_though_it_comes_from_the_process_itself(elf: Elf) -> None:
    child = python("import os\nos.abort()")
    assert child.wait() == -signal.SIGABRT
    (row,) = rows_of(elf, child.pid, signal.SIGABRT)
    assert (row["sender_tgid"], row["code"], row["action"], row["to_process"]) == (child.pid, -6, 0, 0)


def test_routine_signals_are_counted_but_are_no_rows(elf: Elf) -> None:
    code = f"""
import os, signal, threading
open("/proc/self/comm", "w").write("santa-routine")
left = {PLANTED}
def tick(*a):
    global left
    left -= 1
signal.signal(signal.SIGALRM, tick)
signal.signal(signal.SIGURG, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
while left: signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
for _ in range({PLANTED}): signal.pthread_kill(threading.get_ident(), signal.SIGURG)
"""
    child = python(code)
    assert child.wait() == 0
    assert len(rows_of(elf, child.pid, signal.SIGALRM)) == 0
    assert len(rows_of(elf, child.pid, signal.SIGURG)) == 0
    elf.read(1.1)
    assert PLANTED <= taken(elf, signal.SIGALRM)[2, b"santa-routine"] <= PLANTED + 1
    assert taken(elf, signal.SIGURG)[2, b"santa-routine"] == PLANTED


def test_routine_signals_are_rows_when_asked_for() -> None:
    with Elf(plan_of("signals:routine=1", scope={"tree": os.getpid()})) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        children = [subprocess.Popen(["true"]) for _ in range(PLANTED)]
        for child in children:
            child.wait()
        rows = rows_of(elf, os.getpid(), signal.SIGCHLD)
    assert len(rows) == PLANTED
    assert set(rows["code"].tolist()) == {1}  # CLD_EXITED
    assert not rows["sender_tgid"].any()


def test_in_a_scope_are_the_signals_that_its_processes_get_and_send() -> None:
    inside = python("import sys\nfor line in sys.stdin: __import__('os').kill(int(line), 10)", stdin=subprocess.PIPE)
    outside = subprocess.Popen(["sleep", "60"])
    other = subprocess.Popen(["sleep", "60"])
    assert inside.stdin is not None
    try:
        with Elf(plan_of("signals", scope={"tree": inside.pid})) as elf:
            elf.until(wire.HELLO)
            elf.read(0.2)
            inside.stdin.write(f"{outside.pid}\n")
            inside.stdin.flush()
            outside.wait()
            other.send_signal(signal.SIGUSR1)
            other.wait()
            inside.send_signal(signal.SIGKILL)
            inside.wait()
            elf.read(0.6)
            rows = elf.records("signals")
    finally:
        for child in (inside, outside, other):
            child.kill()
            child.wait()
        inside.stdin.close()
    assert [(r["tgid"], r["sender_tgid"]) for r in rows] == [(outside.pid, inside.pid), (inside.pid, os.getpid())]


def test_no_bytes_stand_behind_the_end_of_a_string(elf: Elf) -> None:
    child = subprocess.Popen(["sleep", "60"])
    child.send_signal(signal.SIGTERM)
    child.wait()
    (row,) = rows_of(elf, child.pid, signal.SIGTERM)
    for name in ("comm", "sender_comm"):
        offset, width = row.dtype.fields[name][1], row.dtype[name].itemsize
        text, _, rest = row.tobytes()[offset : offset + width].partition(b"\0")
        assert text, name
        assert rest.strip(b"\0") == b"", name


@pytest.mark.parametrize("options", [{}, {"ring_bytes": 4096}])
def test_under_a_storm_no_record_is_torn_and_they_add_up(options: dict[str, int]) -> None:
    tally = RingTally("signals", 1)
    with Elf(plan_of("signals", selfcheck=True, **options), tally) as elf:
        elf.until(wire.HELLO)
        with load(("/usr/bin/python3", "-c", STORM)):
            elf.read(2)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"]["signals"], last["truth"]["signals"])
    assert tally.kept > (0 if options else 10_000)
    assert not options or last["loss"]["signals"]["reserve_failed"] > 0
