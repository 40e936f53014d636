"""However a recording ends, no process, BPF program or folder of the elf is left on the node 12 s later, or as
much later as the kernel takes to take the programs back: 70 ms for each tracepoint, one after the other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from on_the_node import Traces
from own_sshd import Sshd

pytestmark = pytest.mark.bpf

GONE_S = 12.0  # an elf waits 10 s for a ping
TAKEN_BACK_S = 0.2  # a program, on a busy machine
#: one probe of each way to attach (tracepoint, raw tracepoint, perf event, function of a library), and what reads /proc
EACH_KIND = "exec runq profile auth processes"
#: records until it is stopped, and says so once the elf has said hello
SANTA = """
import sys
from santabpf import wire
from santabpf.launch import launch
from santabpf.probes import all_probes
from santabpf.probes.source import plan
from santabpf.transport import open_transport
node, config, silence_s, names = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4].split()
reader = wire.Reader()
options = {"config": config} if config else {}
known = all_probes()
chosen = plan([(known[name], {}) for name in names or known], silence_s=silence_s)
with open_transport(node, **options) as transport, launch(transport, chosen, silence_s=silence_s) as stream:
    for chunk in stream:
        for frame in reader.feed(chunk):
            if frame.kind == wire.HELLO:
                print("hello", flush=True)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def santa() -> Iterator[Start]:
    """Starts a Santa of its own process, which is recording (unless wait is False) when it is handed over."""
    started: list[subprocess.Popen[str]] = []

    def start(
        node: str = "local",
        config: Path | str = "",
        *,
        silence_s: float = 10,
        wait: bool = True,
        probes: str = EACH_KIND,
    ) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", SANTA, node, str(config), str(silence_s), probes]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        if wait and child.stdout.readline() != "hello\n":
            pytest.fail(f"it does not record: {child.communicate()[1]}")
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def found_below(traces: Traces, pid: int) -> tuple[set[int], set[int]]:
    """The one elf below a process, with what it has started, and the BPF programs that it keeps alive."""
    elves = traces.elves_below(pid)
    assert elves
    programs = traces.programs_of(elves)
    assert len(programs) >= 5
    return elves, programs


def within(programs: set[int]) -> float:
    """How long it may take until these are gone; s."""
    return GONE_S + TAKEN_BACK_S * len(programs)


def folders() -> set[str]:
    """Where an elf might have left its headers."""
    return {str(path) for place in ("/dev/shm", "/run") for path in Path(place).glob("santabpf*")}


def folders_left(before: set[str]) -> set[str]:
    """Those that are new, after a while in which those of elves beside this one have gone."""
    deadline = time.monotonic() + GONE_S
    while (left := folders() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("way", ["local", pytest.param("ssh", marks=pytest.mark.ssh)])
def test_when_santa_dies_or_stops(
    how: signal.Signals, way: str, santa: Start, traces: Traces, request: pytest.FixtureRequest
) -> None:
    before = folders()
    if way == "ssh":
        sshd = request.getfixturevalue("sshd")
        child = santa(sshd.node, sshd.config)
        left = found_below(traces, sshd.pid)
    else:
        child = santa(silence_s=2)
        left = found_below(traces, child.pid)
    child.send_signal(how)
    assert traces.wait_gone(*left, within(left[1])) == (set(), set())
    assert folders_left(before) == set()


@pytest.mark.ssh
def test_when_the_ssh_session_is_killed(santa: Start, traces: Traces, sshd: Sshd) -> None:
    child = santa(sshd.node, sshd.config)
    elves, programs = found_below(traces, sshd.pid)
    for pid in sshd.sessions():
        os.kill(pid, signal.SIGKILL)
    assert traces.wait_gone(elves, programs, within(programs)) == (set(), set())
    assert "ConnectionLost: node-1: the SSH connection broke" in child.communicate(timeout=20)[1]


@pytest.mark.ssh
def test_when_the_ssh_session_hangs(santa: Start, traces: Traces, sshd: Sshd) -> None:
    child = santa(sshd.node, sshd.config, silence_s=2)
    elves, programs = found_below(traces, sshd.pid)
    sessions = sshd.sessions()
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert traces.wait_gone(elves, programs, within(programs)) == (set(), set())
        assert "ConnectionLost: node-1: nothing came from the recorder for 2 s" in child.communicate(timeout=30)[1]
    finally:
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)


def test_when_the_elf_itself_is_killed(santa: Start, traces: Traces) -> None:
    child = santa()
    elves, programs = found_below(traces, child.pid)
    for pid in elves:
        os.kill(pid, signal.SIGKILL)
    assert traces.wait_gone(elves, programs, within(programs)) == (set(), set())
    said = child.communicate(timeout=20)[1]  # its end is only seen once the kernel has taken all back
    ends = ("the recorder ended with exit code -9 in mid-recording", "nothing came from the recorder for 10 s")
    assert any(f"ConnectionLost: local: {end}" in said for end in ends)


def test_when_santa_dies_and_every_probe_was_recorded(santa: Start, traces: Traces) -> None:
    before = folders()
    child = santa(silence_s=2, probes="")
    left = found_below(traces, child.pid)
    assert len(left[1]) > 100
    child.kill()
    assert traces.wait_gone(*left, within(left[1])) == (set(), set())
    assert folders_left(before) == set()


def test_when_santa_dies_while_the_probes_are_compiled(santa: Start, traces: Traces) -> None:
    before = folders()
    child = santa(wait=False, probes="")
    deadline = time.monotonic() + 20
    while len(elves := traces.elves_below(child.pid)) < 2:  # the elf, and the compiler that it has forked
        assert time.monotonic() < deadline, "no compiler was seen"
    child.kill()
    assert traces.wait_gone(elves, traces.programs_of(elves), GONE_S) == (set(), set())
    assert folders_left(before) == set()
