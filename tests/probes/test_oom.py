"""Processes that the kernel kills in a cgroup of ours: each once, with the figures that the kernel reckons with."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probes.accounts import RingTally, assert_sound
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.elf.scope import _cgroup_folder, cgroup_controller

pytestmark = pytest.mark.bpf
PLANTED = 23
LIMIT_BYTES = 32 << 20
#: Waits for a line, then fills memory until it is killed; MAP_SHARED where it is told to.
EATER = """
import mmap, os, sys
open("/proc/self/comm", "w").write("santa-eater")
open("/proc/self/oom_score_adj", "w").write("17")
sys.stdin.readline()
kept = []
while True:
    kept.append(mmap.mmap(-1, 1 << 20, getattr(mmap, sys.argv[1])))
    for at in range(0, 1 << 20, 4096): kept[-1][at] = 1
"""


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup below this process's that holds only so much memory."""
    controller = cgroup_controller()
    if controller not in ("", "memory"):
        pytest.skip("there is no memory controller")
    own = next(
        path
        for line in Path("/proc/self/cgroup").read_text().splitlines()
        for _, names, path in [line.split(":", 2)]
        if controller in names.split(",")
    )
    folder = Path(_cgroup_folder(own, controller), f"santabpf-oom-{os.getpid()}")
    folder.mkdir()
    try:
        limits = ("memory.max", "memory.swap.max")
        if controller:
            limits = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        if not (folder / limits[0]).exists():
            pytest.skip("this cgroup can't be limited: its parent does not pass the memory controller on")
        (folder / limits[0]).write_text(str(LIMIT_BYTES))
        if (folder / limits[1]).exists():
            (folder / limits[1]).write_text(str(LIMIT_BYTES if controller else 0))
        yield folder
    finally:
        deadline = time.monotonic() + 5
        while (folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        folder.rmdir()


def eat(cgroup: Path, how: str = "MAP_PRIVATE") -> int:
    """A process that is killed for its greed; its id."""
    child = subprocess.Popen(["/usr/bin/python3", "-c", EATER, how], stdin=subprocess.PIPE)
    try:
        (cgroup / "cgroup.procs").write_text(str(child.pid))
        child.communicate(b"\n", timeout=20)
        assert child.returncode == -9
    finally:
        child.kill()
        child.wait()
    return child.pid


def found(elf: Elf, pids: list[int]) -> np.ndarray[Any, np.dtype[Any]]:
    elf.read(0.6)
    rows = elf.records("oom")
    return rows[np.isin(rows["tgid"], pids)]


def test_23_victims_are_23_rows_with_what_they_held(cgroup: Path) -> None:
    with Elf(plan_of("oom")) as elf:
        assert elf.until(wire.HELLO).json()["probes"]["oom"] == {"state": "on", "why": None, "missing": []}
        elf.read(0.2)
        pids = [eat(cgroup) for _ in range(PLANTED)]
        rows = found(elf, pids)
    assert rows["tgid"].tolist() == pids
    assert set(rows["cgroup_id"].tolist()) == {cgroup.stat().st_ino}
    for name, value in {"comm": b"santa-eater", "trigger_comm": b"santa-eater", "oom_score_adj": 17, "uid": 0}.items():
        assert set(rows[name].tolist()) == {value}, name
    assert (rows["trigger_tgid"] == rows["tgid"]).all()
    assert (rows["trigger_start_ns"] == rows["start_ns"]).all()
    assert (rows["tid"] == rows["tgid"]).all()
    # what it held before it came into the cgroup is not charged there: a Python of some 10 MB
    held = rows["anon_rss_bytes"]
    assert ((held > 0.8 * LIMIT_BYTES) & (held < LIMIT_BYTES + (16 << 20))).all()
    assert (rows["virtual_bytes"] > held + rows["file_rss_bytes"]).all()
    assert ((rows["page_table_bytes"] > 0) & (rows["page_table_bytes"] < 4 << 20)).all()
    assert ((rows["file_rss_bytes"] > 0) & (rows["file_rss_bytes"] < 32 << 20)).all()
    assert not rows["shmem_rss_bytes"].any()


def test_shared_memory_is_told_from_anonymous(cgroup: Path) -> None:
    with Elf(plan_of("oom")) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        pid = eat(cgroup, "MAP_SHARED")
        (row,) = found(elf, [pid])
    assert 0.8 * LIMIT_BYTES < row["shmem_rss_bytes"] < LIMIT_BYTES + (16 << 20)
    assert row["anon_rss_bytes"] < 0.5 * LIMIT_BYTES


def test_a_kill_by_hand_is_no_row() -> None:
    with Elf(plan_of("oom")) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        child = subprocess.Popen(["sleep", "60"])
        child.kill()
        child.wait()
        assert len(found(elf, [child.pid])) == 0


def test_where_the_kernel_names_only_a_thread_all_else_of_the_victim_is_unknown(cgroup: Path) -> None:
    plan = plan_of("oom")
    plan["probes"][0]["btf"]["OOM_ARGS"] = "args sched_wakeup 2"  # it passes one, as mark_victim of older kernels does
    with Elf(plan) as elf:
        assert elf.until(wire.HELLO).json()["probes"]["oom"] == {
            "state": "partial",
            "why": "this kernel has no tracepoint sched_wakeup with 2 arguments",
            "missing": ["OOM_ARGS"],
        }
        elf.read(0.2)
        pid = eat(cgroup)
        elf.read(0.6)
        rows = elf.records("oom")
    (row,) = rows[rows["trigger_tgid"] == pid]
    assert (row["tgid"], row["start_ns"], row["cgroup_id"], row["comm"]) == (0, 0, 0, b"")
    assert row["uid"] == 0xFFFFFFFF
    assert row["oom_score_adj"] == -(1 << 31)
    for name in ("virtual", "anon_rss", "file_rss", "shmem_rss", "swap", "page_table"):
        assert row[name + "_bytes"] == (1 << 64) - 1


def test_no_record_is_torn_and_they_add_up(cgroup: Path) -> None:
    tally = RingTally("oom", 1)
    with Elf(plan_of("oom", selfcheck=True), tally) as elf:
        elf.until(wire.HELLO)
        for _ in range(5):
            eat(cgroup)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"]["oom"], last["truth"]["oom"])
    assert tally.kept >= 5
