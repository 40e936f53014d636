"""However an elf ends, nothing of it is left: no process, no BPF program, no file."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from on_the_node import Traces
from real_elf import SWITCH, Elf, load, message, plan_of

from santabpf import wire
from santabpf.launch import COMMAND, code_zip

pytestmark = pytest.mark.bpf
PROBES = ("exec", "exit", "fork", "runq")


def held_by(elf: Elf, traces: Traces) -> tuple[set[int], set[int]]:
    """The elf's processes and BPF programs while it records."""
    elf.until(wire.HELLO)
    pids = {elf.process.pid} | traces.descendants(elf.process.pid)
    programs = traces.programs_of(pids)
    needed = [entry for probe in elf.plan["probes"] for entry in probe["attach"] if not entry.endswith("?")]
    assert len(programs) >= len(needed) > 0
    return pids, programs


def assert_nothing_left(traces: Traces, pids: set[int], programs: set[int], timeout_s: float = 12) -> None:
    assert traces.wait_gone(pids, programs, timeout_s) == (set(), set())


def test_nothing_is_left_after_it_was_asked_to_finish(traces: Traces) -> None:
    with Elf(plan_of(*PROBES)) as elf:
        pids, programs = held_by(elf, traces)
        elf.finish()
        assert elf.json_of(wire.BYE) == [{"reason": "asked"}]
        assert elf.process.returncode == 0
        assert_nothing_left(traces, pids, programs)


def test_nothing_is_left_after_kill_9(traces: Traces) -> None:
    with Elf(plan_of(*PROBES)) as elf:
        pids, programs = held_by(elf, traces)
        elf.process.kill()
        assert_nothing_left(traces, pids, programs)


def test_nothing_is_left_after_the_end_of_its_input(traces: Traces) -> None:
    with Elf(plan_of(*PROBES)) as elf:
        pids, programs = held_by(elf, traces)
        elf.hang_up()
        assert_nothing_left(traces, pids, programs, 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(traces: Traces, number: signal.Signals) -> None:
    with Elf(plan_of("exec")) as elf:
        elf.until(wire.HELLO)
        pids = {elf.process.pid}
        programs = traces.programs_of(pids)
        elf.process.send_signal(number)
        assert elf.until(wire.BYE).json() == {"reason": "signal"}
        assert_nothing_left(traces, pids, programs)


def test_a_santa_that_is_stopped_and_reads_nothing_is_left_after_some_silence(traces: Traces) -> None:
    with Elf(plan_of("switches", silence_s=2, buffer_bytes=1 << 20)) as elf:
        elf.until(wire.HELLO)
        pids = {elf.process.pid}
        programs = traces.programs_of(pids)
        with load(SWITCH):
            assert_nothing_left(traces, pids, programs, 8)  # neither pinged nor read, its stdout full


def test_a_reader_that_goes_away_ends_it(traces: Traces) -> None:
    with Elf(plan_of("exec")) as elf:
        elf.until(wire.HELLO)
        pids = {elf.process.pid}
        elf.stop_reading()
        assert_nothing_left(traces, pids, set(), 3)


def test_nothing_is_left_when_it_dies_in_the_middle_of_compiling(traces: Traces) -> None:
    with Elf(plan_of(*PROBES)) as elf:
        deadline = time.monotonic() + 10
        while not (below := traces.descendants(elf.process.pid)) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert below
        elf.process.kill()
        assert_nothing_left(traces, below | {elf.process.pid}, set(), 5)


def test_half_a_plan_and_then_silence_is_no_reason_to_stay() -> None:
    child = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert child.stdin is not None
    child.stdin.write(message(code_zip()) + struct.pack("<I", 1000) + b"{")
    child.stdin.flush()
    child.stdin.close()
    assert child.wait(15) == 1


def test_it_leaves_no_file_and_no_mount_behind() -> None:
    def everything() -> tuple[set[str], list[str]]:
        """Where an elf could leave something; other recordings may come and go in /tmp meanwhile."""
        names = {str(p) for folder in ("/run", "/dev/shm", "/mnt") for p in Path(folder).glob("*santabpf*")}
        mounts = Path("/proc/mounts").read_text().splitlines()
        return names, [line for line in mounts if "santabpf" in line or line.split()[1].startswith("/sys/kernel")]

    before = everything()
    with Elf(plan_of("exec")) as elf:
        elf.until(wire.HELLO)
        assert everything() == before
        elf.finish()
    assert everything() == before
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("santabpf")]
