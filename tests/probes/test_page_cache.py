"""A private file read, read again and dropped: exactly its pages, by the process that did it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from real_elf import Elf, decoded, plan_of, without

from santabpf import wire

pytestmark = pytest.mark.bpf
PAGES = 23
ONCE = {"added": PAGES, "returned": 0, "evicted": 0, "removed": PAGES}
#: Waits for a line; then does with a file what it is told: ["read", bytes at a time], ["write", bytes], ["forget"], and
#: ["expect", how it will be read].
SCRIPT = """
import json, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
sys.stdin.readline()
for what, *how in json.loads(sys.argv[2]):
    at = 0
    if what == "read":
        while got := os.pread(fd, how[0], at):
            at += len(got)
    elif what == "write":
        os.pwrite(fd, bytes(how[0]), 0)
    elif what == "expect":
        os.posix_fadvise(fd, 0, 0, getattr(os, "POSIX_FADV_" + how[0]))
    else:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
"""


def planted(elf: Elf, tgid: int, device: int) -> dict[str, int | None]:
    """What the recording says of this process and device, all seconds together."""
    rows = [r for r in decoded(elf, "page_cache") if (r["tgid"], r["major"], r["minor"]) == (tgid, *both(device))]
    assert rows
    out: dict[str, int | None] = {}
    for name in ("looked_up", "missed", "added", "returned", "evicted", "removed"):
        values = [row[f"{name}_pages"] for row in rows]
        out[name] = None if None in values else sum(values)
    return out


def both(device: int) -> tuple[int, int]:
    """A device's two numbers."""
    return os.major(device), os.minor(device)


LOOKUPS, READS = "raw_tracepoint:mm_filemap_get_pages", "tracepoint:syscalls:sys_enter_pread64"


def told(own_disk: Path, lacking: tuple[str, ...], *does: list[str | int]) -> dict[str, int | None]:
    """What is told of a process that does that with a file of 23 pages, of which none is in memory."""
    plan = without(plan_of("page_cache"), *lacking)
    path = own_disk / "private"
    path.write_bytes(os.urandom(PAGES * 4096))
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    child = subprocess.Popen(
        ["/usr/bin/python3", "-c", SCRIPT, str(path), json.dumps(does)], stdin=subprocess.PIPE, text=True
    )
    with Elf(plan) as elf:
        found = elf.until(wire.HELLO).json()["probes"]["page_cache"]
        assert (found["state"], len(found["missing"])) == ("partial" if lacking else "on", len(lacking)), found["why"]
        elf.read(0.2)
        child.communicate("go\n")
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]["loss"]["page_cache"]
        seen = planted(elf, child.pid, path.stat().st_dev)
    assert child.returncode == 0
    assert last == {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    return seen


@pytest.mark.parametrize("expects", ["RANDOM", "NORMAL"])
@pytest.mark.parametrize(("lacking", "looked_up"), [((), 4 * PAGES), ((LOOKUPS,), 4 * PAGES), ((LOOKUPS, READS), None)])
@pytest.mark.parametrize("size", [4096, 20 * 4096, 1 << 20])
def test_a_file_of_23_pages_read_4_times_is_23_pages_added_and_removed_and_92_looked_up(
    own_disk: Path, lacking: tuple[str, ...], looked_up: int | None, size: int, expects: str
) -> None:
    seen = told(own_disk, lacking, ["expect", expects], ["read", 4096], *[["read", size]] * 3, ["forget"])
    missed = PAGES if expects == "RANDOM" else 1  # each; or the first, after which they are read ahead
    assert seen == {"looked_up": looked_up, "missed": looked_up and missed, **ONCE}


@pytest.mark.parametrize("lacking", [(), (LOOKUPS,)])
def test_what_one_read_asks_for_is_missed_whole(own_disk: Path, lacking: tuple[str, ...]) -> None:
    seen = told(own_disk, lacking, ["read", 1 << 20], ["read", 4096], ["forget"])
    assert seen == {"looked_up": 2 * PAGES, "missed": PAGES, **ONCE}


@pytest.mark.parametrize("lacking", [(), (LOOKUPS,)])
def test_what_was_just_written_is_a_hit(own_disk: Path, lacking: tuple[str, ...]) -> None:
    seen = told(own_disk, lacking, ["write", 4096 * PAGES], ["read", 4096], ["forget"])
    assert seen == {"looked_up": PAGES, "missed": 0, **ONCE}
