"""Starts that fail; see plant/exec_failed.py and plant/fork_failed.py. Here: a kernel that can't tell of them."""

from __future__ import annotations

import subprocess

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf


def test_a_kernel_without_these_system_calls_still_tells_of_what_was_started() -> None:
    plan = plan_of("exec")
    (probe,) = plan["probes"]
    probe["attach"] = [point.replace("execve", "nothing") for point in probe["attach"]]
    with Elf(plan) as elf:
        state = elf.until(wire.HELLO).json()["probes"]["exec"]
        assert state["state"] == "partial"
        elf.read(0.2)
        child = subprocess.Popen(["/bin/true"])
        child.wait()
        elf.read(0.4)
        assert child.pid in {int(row["tgid"]) for row in elf.records("exec")}
