"""Processes in containers, gone together with their cgroups: their rows still say where they belonged."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from planted import recorded
from real_elf import Elf, decoded, plan_of

from santabpf import wire
from santabpf.elf import cgroups, kernel
from santabpf.elf.scope import _cgroup_folder, cgroup_controller
from santabpf.probes.source import CGROUPS

pytestmark = pytest.mark.bpf
PIDFD_GETFD = 438  # include/uapi/asm-generic/unistd.h


@pytest.fixture
def deep() -> Iterator[Path]:
    """A cgroup below 13 others with long names: deeper than is followed."""
    top = Path(_cgroup_folder("/", cgroup_controller()), f"santabpf-deep-{os.getpid()}")
    folders = [top.joinpath(*[f"level-{i}-" + "x" * 20 for i in range(depth)]) for depth in range(14)]
    for folder in folders:
        folder.mkdir()
    yield folders[-1]
    for folder in reversed(folders):
        deadline = time.monotonic() + 5
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.05)


def test_a_path_that_is_too_deep_says_that_its_upper_parts_are_missing(deep: Path) -> None:
    def act() -> int:
        child = subprocess.Popen(["sh", "-c", f"echo $$ > {deep}/cgroup.procs; exec /bin/true"])
        child.wait()
        return child.pid

    table, tgid = recorded(plan_of("exec"), act)
    rows: pa.Table = table("exec")
    (path,) = [row["cgroup"] for row in rows.to_pylist() if row["tgid"] == tgid and row["comm"] == "true"]
    assert path.startswith(".../level-1-")
    assert path.endswith("/level-12-" + "x" * 20)


@pytest.fixture
def many() -> Iterator[list[Path]]:
    """Twelve cgroups."""
    folders = [Path(_cgroup_folder("/", cgroup_controller()), f"santabpf-many-{os.getpid()}-{i}") for i in range(12)]
    for folder in folders:
        folder.mkdir()
    yield folders
    for folder in folders:
        deadline = time.monotonic() + 5
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.05)


def test_a_path_that_another_cpu_has_half_written_is_written_once_more(many: list[Path]) -> None:
    with Elf(plan_of("exec")) as elf:
        elf.until(wire.HELLO)
        half = held_map(elf.process.pid, "value_size", cgroups._VALUE_BYTES)
        kernel.map_update(half, struct.pack("<Q", many[0].stat().st_ino), bytes(cgroups._VALUE_BYTES))
        os.close(half)
        child = subprocess.Popen(["sh", "-c", f"echo $$ > {many[0]}/cgroup.procs; exec /bin/true"])
        child.wait()
        elf.read(0.3)
        elf.finish()
        (path,) = [row["cgroup"] for row in decoded(elf, "exec") if row["tgid"] == child.pid and row["comm"] == "true"]
    assert path is not None
    assert path.endswith(f"/{many[0].name}")


def held_map(pid: int, key: str, value: int) -> int:
    """A descriptor of the one map that this process holds of which /proc says this."""
    infos = {int(path.name): dict(line.split(":", 1) for line in path.read_text().splitlines())
             for path in Path(f"/proc/{pid}/fdinfo").iterdir()}  # fmt: skip
    (descriptor,) = [number for number, info in infos.items() if info.get(key, "").strip() == str(value)]
    process = os.pidfd_open(pid)
    try:
        return ctypes.CDLL(None).syscall(PIDFD_GETFD, process, descriptor, 0)
    finally:
        os.close(process)


def test_that_there_was_no_room_for_the_paths_of_cgroups_is_said_once(many: list[Path]) -> None:
    size = "#define SANTA_CGROUPS {}"
    plan = json.loads(json.dumps(plan_of("exec")).replace(size.format(CGROUPS), size.format(4)))
    plan["core"]["cgroups"] = 4
    with Elf(plan) as elf:
        elf.until(wire.HELLO)
        for folder in many:
            subprocess.run(["sh", "-c", f"echo $$ > {folder}/cgroup.procs; exec /bin/true"], check=True)
        elf.read(2.5)
        elf.finish()
    told = [frame.json() for frame in elf.frames if frame.kind == wire.TROUBLE]
    assert [(t["code"], t["fatal"]) for t in told] == [("cgroups_full", False)]
    assert told[0]["message"] == "more than 4 new cgroups came in a second; rows of some name none"
