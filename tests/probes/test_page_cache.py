"""A private file read, read again and dropped: exactly its pages, by the process that did it."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PAGES = 23
#: Waits for a line; reads a file so often, first by pages, then so many bytes at a time; lets the cache forget it.
SCRIPT = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
sys.stdin.readline()
for i in range(int(sys.argv[2])):
    at = 0
    while got := os.pread(fd, int(sys.argv[3]) if i else 4096, at):
        at += len(got)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
"""


@pytest.fixture
def own_disk() -> Iterator[Path]:
    """A file system of its own, so that no page of a program counts."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        image, inner = Path(folder) / "image", Path(folder) / "mounted"
        inner.mkdir()
        with open(image, "wb") as stream:
            stream.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(inner)], check=True)
        try:
            yield inner
        finally:
            subprocess.run(["umount", str(inner)], check=True)


def planted(elf: Elf, tgid: int, device: int) -> dict[str, int]:
    """What the last reading says of this process and device."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    payload, out = elf.payloads(wire.MAP, "page_cache")[-1], [0, 0, 0, 0]
    for at in range(0, len(payload), 24 + 32 * cpus):
        _, pid, major, minor, _, _ = struct.unpack_from("<QiIIHH", payload, at)
        if (pid, major, minor) == (tgid, os.major(device), os.minor(device)):
            for i, value in enumerate(struct.unpack_from(f"<{4 * cpus}Q", payload, at + 24)):
                out[i % 4] += value
    return dict(zip(("looked_up", "added", "evicted", "removed"), out, strict=True))


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("size", [4096, 20 * 4096, 1 << 20])
def test_a_file_of_23_pages_read_4_times_is_23_pages_added_and_removed_and_92_looked_up(
    own_disk: Path, is_old: bool, size: int
) -> None:
    plan = plan_of("page_cache")
    if is_old:  # as on a kernel without mm_filemap_get_pages
        plan["probes"][0]["btf"]["LOOKUP_ARGS"] = "args no_such_tracepoint"
    path = own_disk / "private"
    path.write_bytes(os.urandom(PAGES * 4096))
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    child = subprocess.Popen(
        ["/usr/bin/python3", "-c", SCRIPT, str(path), "4", str(size)], stdin=subprocess.PIPE, text=True
    )
    with Elf(plan) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        child.communicate("go\n")
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]["loss"]["page_cache"]
        seen = planted(elf, child.pid, path.stat().st_dev)
    assert last == {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    assert seen == {"looked_up": 0 if is_old else 4 * PAGES, "added": PAGES, "evicted": 0, "removed": PAGES}
