"""Who sleeps for want of work stands in offcpu_now where that is asked for, and is gone from there once it is woken."""

from __future__ import annotations

import subprocess
import time

import pytest
from real_elf import Elf, decoded, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
READINGS = 2  # at which it surely slept
#: Waits for a line, then sleeps until the next one.
SLEEPER = """
import sys
open("/proc/self/comm", "w").write("santa-sleeper")
for _ in range(2): sys.stdin.readline()
"""


@pytest.mark.parametrize("told", [False, True])
def test_one_that_a_signal_could_wake_is_told_only_with_tell_sleepers(told: bool) -> None:
    child = subprocess.Popen(["/usr/bin/python3", "-c", SLEEPER], stdin=subprocess.PIPE)
    assert child.stdin is not None
    try:
        with Elf(plan_of(f"offcpu:tell_sleepers={told:d}")) as elf:
            elf.until(wire.HELLO)
            elf.read(0.3)
            before = time.time_ns()
            child.stdin.write(b"sleep\n")
            child.stdin.flush()
            elf.read(READINGS + 1.2)
            woken = time.time_ns()
            child.communicate(b"wake\n")
            elf.read(1.2)
            elf.finish()
            rows = [row for row in decoded(elf, "offcpu_now") if row["tgid"] == child.pid]
    finally:
        child.kill()
        child.wait()
    asleep = [row for row in rows if row["since_ns"] > before - 10_000_000]
    assert len(asleep) >= READINGS if told else not rows
    assert len({row["since_ns"] for row in asleep}) <= 1
    for row in asleep:
        assert (row["tid"], row["state"], row["comm"]) == (child.pid, "S", "santa-sleeper")
        assert row["since_ns"] < row["ts_ns"] < woken + 100_000_000
        assert row["kernel_stack"]
