"""What processes cost, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from santabpf.bench.cost import Cpu, command_of, cpu_of, descendants, private_bytes
from santabpf.machine import describe


def test_cpu_time_from_outside_is_what_the_process_itself_says() -> None:
    before, told = cpu_of([os.getpid()]), time.process_time_ns()
    while time.process_time_ns() - told < 50_000_000:
        pass
    took = cpu_of([os.getpid()]) - before
    assert took.total_ns >= 50_000_000
    assert took.user_ns + took.system_ns == took.total_ns


def test_processes_that_have_gone_cost_nothing() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert cpu_of([child.pid]) == Cpu()
    assert command_of(child.pid) == b""


def test_children_and_their_children_are_found() -> None:
    script = "sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as sh:
        assert sh.stdout is not None
        sleep = int(sh.stdout.readline())
        try:
            assert {sh.pid, sleep} <= set(descendants(os.getpid()))
        finally:
            os.killpg(sh.pid, 9)


def test_private_memory_leaves_out_the_mappings_of_a_name() -> None:
    everything, without_heap = private_bytes(os.getpid(), "no such name"), private_bytes(os.getpid(), "[heap]")
    assert 0 < without_heap < everything


def test_the_machine_is_described_without_a_name() -> None:
    text = describe()
    assert f"{os.cpu_count()} CPUs" in text
    assert os.uname().nodename not in text.split()
    assert "/" not in text
    assert sys.platform != "linux" or f"Linux {'.'.join(os.uname().release.split('.')[:2])}" in text
