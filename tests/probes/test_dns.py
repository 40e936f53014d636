"""DNS questions that the tests ask, found again in dns: each with its answer, or how it ended without one."""

from __future__ import annotations

import subprocess

import pytest
from probes.plants import HERE
from real_elf import QUESTIONS, Elf, load, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf


def test_a_tree_scope_leaves_out_the_questions_of_others() -> None:
    with subprocess.Popen(["/usr/bin/python3", "-I", HERE / "plant" / "dns.py"], stdout=subprocess.PIPE) as other:
        with Elf(plan_of("dns", scope={"tree": other.pid})) as elf, load(QUESTIONS):
            elf.until(wire.HELLO)
            elf.read(1)
            assert len(elf.records("dns")) == 0
        other.communicate(timeout=20)


def test_no_byte_after_a_names_end_leaves_the_node() -> None:
    with Elf(plan_of("dns")) as elf:
        elf.until(wire.HELLO)
        with load(QUESTIONS):
            elf.read(1)
        names = {bytes(raw) for raw in elf.records("dns")["name"].view("V128").tolist()}
    assert b"\3www\7example\3org".ljust(128, b"\0") in names
    assert all(not name.partition(b"\0")[2].strip(b"\0") for name in names)
