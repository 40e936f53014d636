"""A private file read, read again and dropped: exactly its pages, by the process that did it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_elf import Elf, decoded, plan_of, without

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


def planted(elf: Elf, tgid: int, device: int) -> dict[str, int | None]:
    """What the recording says of this process and device, all seconds together."""
    rows = [r for r in decoded(elf, "page_cache") if (r["tgid"], r["major"], r["minor"]) == (tgid, *both(device))]
    assert rows
    out: dict[str, int | None] = {}
    for name in ("looked_up", "added", "evicted", "removed"):
        values = [row[f"{name}_pages"] for row in rows]
        out[name] = None if None in values else sum(values)
    return out


def both(device: int) -> tuple[int, int]:
    """A device's two numbers."""
    return os.major(device), os.minor(device)


LOOKUPS, READS = "raw_tracepoint:mm_filemap_get_pages", "tracepoint:syscalls:sys_enter_pread64"


@pytest.mark.parametrize(("lacking", "looked_up"), [((), 4 * PAGES), ((LOOKUPS,), 4 * PAGES), ((LOOKUPS, READS), None)])
@pytest.mark.parametrize("size", [4096, 20 * 4096, 1 << 20])
def test_a_file_of_23_pages_read_4_times_is_23_pages_added_and_removed_and_92_looked_up(
    own_disk: Path, lacking: tuple[str, ...], looked_up: int | None, size: int
) -> None:
    plan = without(plan_of("page_cache"), *lacking)
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
        found = elf.until(wire.HELLO).json()["probes"]["page_cache"]
        assert (found["state"], len(found["missing"])) == ("partial" if lacking else "on", len(lacking)), found["why"]
        elf.read(0.2)
        child.communicate("go\n")
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]["loss"]["page_cache"]
        seen = planted(elf, child.pid, path.stat().st_dev)
    assert last == {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    assert seen == {"looked_up": looked_up, "added": PAGES, "evicted": 0, "removed": PAGES}
