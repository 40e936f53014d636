"""Programs and processes that could not be started: each once, with its error; a search through PATH is no failure."""

from __future__ import annotations

import subprocess

import pytest
from expect import exec_failed, fork_failed
from planted import recorded
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf


def test_programs_that_could_not_be_started_are_told_from_searches_that_ended_well() -> None:
    table, facts = recorded(plan_of("exec"), "exec_failed")
    exec_failed.check(table, facts)


def test_23_forks_that_a_full_cgroup_refused_are_23_rows() -> None:
    table, facts = recorded(plan_of("fork"), "fork_failed")
    fork_failed.check(table, facts)


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
