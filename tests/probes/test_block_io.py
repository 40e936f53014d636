"""Requests to disks, planted: as many as there were, from whom they were, how long they took, and who waited."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from real_elf import Elf, plan_of, without

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23
SIZE = 5 * 4096  # of each planted request: a size that nothing else has
#: Waits for a line; then reads or writes past the page cache, one request after another.
SCRIPT = """
import mmap, os, sys
path, how, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
fd = os.open(path, os.O_DIRECT | (os.O_RDONLY if how == "read" else os.O_WRONLY))
page = mmap.mmap(-1, size)
sys.stdin.readline()
for i in range(count):
    try:
        (os.preadv if how == "read" else os.pwritev)(fd, [page], i * (size + 4096))
    except OSError as exc:
        print(exc.errno)
"""


def command(*argv: str) -> str:
    """What a program says."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder on the local disk, not on a tmpfs."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        yield Path(path)


@pytest.fixture
def disk_file(folder: Path) -> Path:
    """A private file, on the disk as a whole."""
    path = folder / "private"
    path.write_bytes(os.urandom(PLANTED * (SIZE + 4096)))
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return path


@pytest.fixture
def full_disk(folder: Path) -> Iterator[str]:
    """A loop device whose file has no room: each write to it fails."""
    command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    try:
        (folder / "image").touch()
        os.truncate(folder / "image", 4 << 20)
        (folder / "filler").write_bytes(b"x" * (64 << 10))
        loop = command("losetup", "--find", "--show", str(folder / "image"))
        try:
            yield loop
        finally:
            command("losetup", "--detach", loop)
    finally:
        command("umount", "--lazy", str(folder))


def planter(path: str, how: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["/usr/bin/python3", "-c", SCRIPT, path, how, str(count), str(SIZE)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def histogram(elf: Elf, disk: str) -> dict[str, tuple[int, ...]]:
    """Operation -> requests, failed, bytes, device_sum_ns, queue_sum_ns of the disk at the last reading."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    payload, row, out = elf.payloads(wire.MAP, "block_io_hist")[-1], 48 + 40 * cpus, {}
    assert len(payload) % row == 0
    for at in range(0, len(payload), row):
        name, op = struct.unpack_from("32s8s", payload, at)
        if name.rstrip(b"\0") == disk.encode():
            values = np.frombuffer(payload, "<u8", 5 * cpus, at + 48).reshape(cpus, 5).sum(axis=0)
            before = out.get(op.rstrip(b"\0").decode(), (0,) * 5)
            out[op.rstrip(b"\0").decode()] = tuple(int(a + b) for a, b in zip(before, values, strict=True))
    return out


@pytest.mark.parametrize("is_old", [False, True])
def test_23_planted_reads_are_23_rows_of_their_process(disk_file: Path, is_old: bool) -> None:
    plan = plan_of("block_io:min_total_ns=0")
    if is_old:  # as on a kernel without block_io_start
        without(plan, "raw_tracepoint:block_io_start")
    with Elf(plan) as elf:
        hello = elf.until(wire.HELLO).json()
        assert hello["probes"]["block_io"]["state"] == ("partial" if is_old else "on")
        child = planter(str(disk_file), "read", PLANTED)
        before = time.monotonic_ns()
        child.communicate("go\n")
        after = time.monotonic_ns()
        elf.read(0.5)
        elf.finish()
        rows = elf.records("block_io")
        counted = histogram(elf, rows["disk"][0].decode())
        last = elf.json_of(wire.TICK)[-1]["loss"]
    mine = rows[(rows["tgid"] == child.pid) & (rows["data_bytes"] == SIZE) & (rows["op"] == b"read")]
    assert len(mine) == PLANTED
    assert set(mine["comm"]) == {b"python3"}
    assert len(set(mine["sector"])) == PLANTED
    assert not mine["is_failed"].any()
    assert not mine["error"].any()
    assert not mine["by_kernel"].any()
    assert ((mine["queue_ns"] >= 0) & (mine["device_ns"] > 0)).all()
    assert int(mine["queue_ns"].sum() + mine["device_ns"].sum()) < after - before
    assert last["block_io"] == {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    assert last["block_io_hist"] == last["block_io"]
    if len(set(rows["disk"])) == 1:
        for op, (requests, failed, moved, device_ns, _) in counted.items():
            same = rows[rows["op"] == op.encode()]
            assert (requests, failed) == (len(same), same["is_failed"].sum())
            assert (moved, device_ns) == (same["data_bytes"].sum(), same["device_ns"].sum())


def test_only_requests_of_the_scope_are_counted(disk_file: Path) -> None:
    child = planter(str(disk_file), "read", PLANTED)
    other = planter(str(disk_file), "read", PLANTED)
    with Elf(plan_of("block_io:min_total_ns=0", scope={"tree": child.pid})) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        child.communicate("go\n")
        other.communicate("go\n")
        elf.read(0.5)
        elf.finish()
        rows, waits = elf.records("block_io"), elf.records("block_io_waits")
    assert set(rows["tgid"]) == set(waits["tgid"]) == {child.pid}
    assert (rows["data_bytes"] == SIZE).sum() == PLANTED


def test_an_fsync_is_a_flush_of_nobody(disk_file: Path) -> None:
    with Elf(plan_of("block_io:min_total_ns=0")) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        with open(disk_file, "r+b") as stream:
            stream.write(b"x")
            stream.flush()
            os.fsync(stream.fileno())
        elf.read(0.5)
        elf.finish()
        rows = elf.records("block_io")
    written = rows[(rows["tgid"] == os.getpid()) & (rows["op"] == b"write")]
    assert len(written) > 0
    flushes = rows[rows["op"] == b"flush"]
    assert not flushes["tgid"].any()
    assert not flushes["data_bytes"].any()
    assert (flushes["sector"] == -1).all()
    disk = written["disk"][0].decode()
    if Path(f"/sys/block/{disk}/queue/write_cache").read_text().strip() == "write back":
        assert len(flushes) > 0


def test_23_failed_writes_are_rows_with_their_error_though_they_were_fast(full_disk: str) -> None:
    with Elf(plan_of("block_io")) as elf:
        elf.until(wire.HELLO)
        child = planter(full_disk, "write", PLANTED)
        said, _ = child.communicate("go\n")
        elf.read(0.5)
        elf.finish()
        rows, waits = elf.records("block_io"), elf.records("block_io_waits")
        counted = histogram(elf, Path(full_disk).name)
    errors = said.split()
    assert len(errors) == PLANTED
    mine = rows[rows["disk"] == Path(full_disk).name.encode()]
    assert mine["tgid"].tolist() == [child.pid] * PLANTED, (mine, counted)
    assert mine["is_failed"].all()
    assert [str(e) for e in mine["error"]] == errors
    assert counted["write"][:3] == (PLANTED, PLANTED, PLANTED * SIZE)
    slept = waits[waits["tgid"] == child.pid]  # though the kernel writes to a slow console before it wakes them
    assert slept["is_failed"].all()
    assert len(slept) >= PLANTED * 3 // 4  # one that was done at once did not sleep



@pytest.fixture
def freezer(folder: Path) -> Iterator[tuple[str, Callable[[bool], str]]]:
    """A loop device, and what freezes (True) and thaws (False) the file system that its file lies in."""
    inner = folder / "mounted"
    inner.mkdir()
    with open(folder / "image", "wb") as stream:
        stream.truncate(16 << 20)
    command("mkfs.ext4", "-q", "-F", str(folder / "image"))
    command("mount", "-o", "loop", str(folder / "image"), str(inner))
    loop = ""
    try:
        (inner / "disk").write_bytes(b"\0" * (1 << 20))
        loop = command("losetup", "--find", "--show", str(inner / "disk"))
        yield loop, lambda frozen: command("fsfreeze", "--freeze" if frozen else "--unfreeze", str(inner))
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(inner)], stderr=subprocess.DEVNULL, check=False)
        if loop:
            command("losetup", "--detach", loop)
        command("umount", str(inner))


def hang(elf: Elf, freezer: tuple[str, Callable[[bool], str]], writers: int) -> list[int]:
    """So many processes write to a disk that answers nobody for 300 ms; their ids."""
    loop, freeze = freezer
    children = [planter(loop, "write", 1) for _ in range(writers)]
    elf.read(0.3 + 0.02 * writers)
    freeze(True)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    elf.read(0.3 + 0.1)
    freeze(False)
    for child in children:
        child.communicate()
    elf.read(0.3)
    elf.finish()
    return [child.pid for child in children]


def test_a_request_that_hangs_for_300_ms_is_a_row_that_says_so(freezer: tuple[str, Callable[[bool], str]]) -> None:
    with Elf(plan_of("block_io")) as elf:
        elf.until(wire.HELLO)
        (pid,) = hang(elf, freezer, 1)
        rows, waits = elf.records("block_io"), elf.records("block_io_waits")
    (row,) = rows[rows["tgid"] == pid]
    assert row["device_ns"] > 0.3e9
    assert (row["op"], row["data_bytes"], row["is_failed"]) == (b"write", SIZE, 0)
    (slept,) = waits[waits["tgid"] == pid]
    assert 0.3e9 < slept["waited_ns"] < row["queue_ns"] + row["device_ns"]
    for name in ("device_ns", "queue_ns", "sector", "data_bytes", "op", "disk", "start_ns", "comm"):
        assert slept[name] == row[name], name


def test_who_waits_for_a_free_request_is_in_the_queue_and_not_in_the_device(
    freezer: tuple[str, Callable[[bool], str]],
) -> None:
    room = 4  # the least that the kernel allows: BLKDEV_MIN_RQ
    Path(f"/sys/block/{Path(freezer[0]).name}/queue/nr_requests").write_text(str(room))
    with Elf(plan_of("block_io")) as elf:
        elf.until(wire.HELLO)
        pids = hang(elf, freezer, PLANTED)
        rows = elf.records("block_io")
    mine = rows[np.isin(rows["tgid"], pids) & (rows["op"] == b"write")]
    assert len(mine) == len(pids)
    assert (mine["device_ns"] > 0.3e9).sum() == room
    assert (mine["queue_ns"] > 0.3e9).sum() == PLANTED - room
