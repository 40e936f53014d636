"""Reads, writes and syncs of planted files: as many as there were, and who waited for the slow one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from real_elf import Elf, decoded, plan_of

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


#: Syncs a file on each of three mounts that lie one in the other, on a folder that is mounted a second time, on a mount
#: that is then unmounted, in memory, and far down. Prints name -> where it is mounted.
MOUNTS = """
import json, os, subprocess, sys
def mount(*argv):
    subprocess.run(["mount", *argv], check=True)
def sync(path):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.fsync(fd)
    return fd
mount("--make-rprivate", "/")
top = sys.argv[1]
names = {}
for depth in range(1, 4):
    at = top + "/in" * depth
    os.mkdir(at)
    mount("-t", "tmpfs", "planted", at)
    sync(at + "/file-%d" % depth)
    names["file-%d" % depth] = at
os.mkdir(top + "/in/below")
os.mkdir(top + "/bound")
mount("--bind", top + "/in/below", top + "/bound")
sync(top + "/bound/bound")
names["bound"] = top + "/bound"
os.mkdir(top + "/lazy")
mount("-t", "tmpfs", "planted", top + "/lazy")
fd = sync(top + "/lazy/before")
names["before"] = top + "/lazy"
os.rename(top + "/lazy/before", top + "/lazy/gone")
subprocess.run(["umount", "-l", top + "/lazy"], check=True)
os.fsync(fd)
names["gone"] = None
os.fsync(os.memfd_create("memory"))
names["memfd:memory"] = None
deep = top + "".join("/%02d" % n for n in range(25))
os.makedirs(deep)
mount("-t", "tmpfs", "planted", deep)
sync(deep + "/deep")
names["deep"] = "..." + "".join("/%02d" % n for n in range(5, 25))
print(json.dumps(names))
"""


def test_where_a_file_is_mounted_is_told_as_its_mount_namespace_has_it(tmp_path: Path) -> None:
    with Elf(plan_of("file_io:min_sync_ns=0")) as elf:
        elf.until(wire.HELLO)
        script = ["unshare", "--mount", "/usr/bin/python3", "-c", MOUNTS, str(tmp_path)]
        child = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True)
        elf.read(0.3)
        elf.finish()
        rows = decoded(elf, "file_io_slow")
    names = json.loads(child.stdout)
    assert {row["name"]: row["mount"] for row in rows if row["name"] in names} == names
