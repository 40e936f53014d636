"""Reads, writes and syncs of planted files: as many as there were, and who waited for the slow one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23
#: Waits for a line; then reads from a file, from a pipe, from /proc and from a device.
SCRIPT = """
import os, sys
here, there = os.pipe()
os.write(there, b"x" * 1000)
files = [os.open(path, os.O_RDONLY) for path in (sys.argv[1], "/proc/self/stat", "/dev/zero")]
sys.stdin.readline()
for i in range(int(sys.argv[2])):
    os.pread(files[0], 1, 0)
    for other in [here, *files[1:]]:
        os.read(other, 1)
os._exit(0)
"""


def reader(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["/usr/bin/python3", "-c", SCRIPT, str(path), str(PLANTED)], stdin=subprocess.PIPE, text=True
    )


def test_only_regular_files_of_a_disk_are_read_and_only_those_of_the_scope(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("x")
    mine, other = reader(path), reader(path)
    with Elf(plan_of("file_io:min_rw_ns=0", scope={"tree": mine.pid})) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        for child in (mine, other):
            child.communicate("go\n")
        elf.read(0.3)
        elf.finish()
        rows = elf.records("file_io_slow")
    assert set(rows["tgid"]) == {mine.pid}
    assert len(rows) == PLANTED
    assert set(rows["inode"]) == {path.stat().st_ino}
    assert set(rows["data_bytes"]) == {1}
    assert set(rows["name"]) == {b"there"}


@pytest.mark.parametrize("depth", [0, 1, 4, 5])
def test_the_folders_above_a_file_are_the_nearest_four(tmp_path: Path, depth: int) -> None:
    """From the root of its file system: what lies above that is another's."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "santabpf", str(mounted)], check=True)
    try:
        names = [f"{i}" * 40 for i in range(depth)]
        folder = mounted.joinpath(*names)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "x").write_text("x")
        with Elf(plan_of("file_io:min_rw_ns=0")) as elf:
            elf.until(wire.HELLO)
            (folder / "x").read_text()
            elf.read(0.3)
            elf.finish()
            rows = elf.records("file_io_slow")
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
    (shown,) = set(rows[(rows["tgid"] == os.getpid()) & (rows["fs"] == b"tmpfs")]["folder"])
    assert shown.decode() == ("..." if depth > 4 else "") + "".join(f"/{name[:35]}" for name in names[-4:])
