"""Pages that come back: a file on a disk of its own, read and written in a cgroup that is too small for it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_elf import Elf, decoded, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PAGES = 5881
BEGINNING = 1511  # pages that are out of memory once all of the file has been read
#: Enters the cgroup; then, line by line: reads the file as the kernel reads ahead, or page by page, all of it or only
#: its beginning; or writes it anew.
SCRIPT = """
import os, sys
path, folder, pages, beginning = *sys.argv[1:3], *map(int, sys.argv[3:])
open(folder + "/cgroup.procs", "w").write(str(os.getpid()))
for what in map(str.strip, sys.stdin):
    fd = os.open(path, os.O_RDWR | (os.O_TRUNC if what == "write" else 0))
    if what != "read":
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for page in range(beginning if what == "read the beginning" else pages):
        os.pwrite(fd, bytes(4096), page * 4096) if what == "write" else os.pread(fd, 4096, page * 4096)
    os.fsync(fd)
    os.close(fd)
    print("done", flush=True)
"""


class Reader:
    """A process in the cgroup, and its file."""

    def __init__(self, disk: Path, cgroup: Path) -> None:
        self.path, self.cgroup = disk / "private", cgroup
        self.make()
        command = ["/usr/bin/python3", "-c", SCRIPT, str(self.path), str(cgroup), str(PAGES), str(BEGINNING)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def make(self) -> None:
        """A new file, of which nothing is in memory."""
        with open(self.path, "wb") as stream:
            stream.write(os.urandom(PAGES * 4096))
            stream.flush()
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def does(self, *steps: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        for step in steps:
            self.process.stdin.write(f"{step}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "done\n"

    def has_refaults(self, pages: int) -> None:
        """The kernel calls as many pages so, of this cgroup; it adds them up every two seconds."""
        deadline = time.monotonic() + 10
        while not self.refaults() >= pages:
            assert time.monotonic() < deadline, self.refaults()
            time.sleep(0.1)

    def refaults(self) -> int:
        found = re.search(r"^workingset_refault_file (\d+)$", (self.cgroup / "memory.stat").read_text(), re.MULTILINE)
        assert found
        return int(found[1])

    def rows(self, elf: Elf) -> dict[str, int | None]:
        """What the recording says of it and its file, all seconds together."""
        device = self.path.stat().st_dev
        mine = (self.process.pid, os.major(device), os.minor(device), False)
        rows = [r for r in decoded(elf, "page_cache") if (r["tgid"], r["major"], r["minor"], r["is_disk"]) == mine]
        assert rows
        values = {what: [row[f"{what}_pages"] for row in rows] for what in ("added", "returned", "evicted")}
        return {what: None if None in each else sum(each) for what, each in values.items()}


@pytest.fixture
def reader(own_disk: Path, cgroup: Path) -> Iterator[Reader]:
    made = Reader(own_disk, cgroup)
    try:
        yield made
    finally:
        made.process.communicate()


def plan_for(reader: Reader) -> dict[str, Any]:
    """Of it alone: what others evict may need the places of its pages."""
    return plan_of("page_cache", scope={"tree": reader.process.pid})


@contextmanager
def recorded(plan: dict[str, Any], state: str = "on") -> Iterator[Elf]:
    with Elf(plan) as elf:
        assert elf.until(wire.HELLO).json()["probes"]["page_cache"]["state"] == state
        elf.read(0.2)
        yield elf
        elf.finish()
        assert not any(elf.json_of(wire.TICK)[-1]["loss"]["page_cache"].values())


@pytest.mark.parametrize("how", ["read", "read by pages"])
def test_what_is_brought_in_more_than_once_has_come_back(reader: Reader, how: str) -> None:
    with recorded(plan_for(reader)) as elf:
        reader.does(how, how, how)
    seen = reader.rows(elf)
    assert seen["returned"] == seen["added"] - PAGES
    assert seen["evicted"] >= seen["returned"] >= 2 * (PAGES - 2048)  # of each time, what has no room


def test_what_is_read_once_has_not_come_back_though_it_was_evicted(reader: Reader) -> None:
    with recorded(plan_for(reader)) as elf:
        reader.does("read by pages")
    seen = reader.rows(elf)
    assert (seen["added"], seen["returned"]) == (PAGES, 0)
    assert seen["evicted"] >= PAGES - 2048


def test_what_was_evicted_before_the_recording_has_not_come_back_though_the_kernel_calls_it_so(reader: Reader) -> None:
    reader.does("read by pages")
    with recorded(plan_for(reader)) as elf:
        reader.does("read the beginning")
    seen = reader.rows(elf)
    assert (seen["added"], seen["returned"]) == (BEGINNING, 0)
    reader.has_refaults(BEGINNING)


def test_what_was_evicted_long_ago_has_not_come_back(reader: Reader) -> None:
    plan = plan_for(reader)
    (probe,) = plan["probes"]
    assert probe["source"].count("#define SOON_NS 600000000000ULL") == 1
    probe["source"] = probe["source"].replace("SOON_NS 600000000000ULL", "SOON_NS 1ULL")
    with recorded(plan) as elf:
        reader.does("read by pages", "read by pages")
    seen = reader.rows(elf)
    assert seen["returned"] == 0 < seen["added"] - PAGES


def test_what_is_written_anew_has_not_come_back(reader: Reader) -> None:
    with recorded(plan_for(reader)) as elf:
        reader.does("read by pages", "write", "write")
    seen = reader.rows(elf)
    assert (seen["added"], seen["returned"]) == (3 * PAGES, 0)
    assert seen["evicted"] >= 3 * (PAGES - 2048)


def test_another_file_of_the_same_inode_number_has_not_come_back(reader: Reader) -> None:
    number = reader.path.stat().st_ino
    with recorded(plan_for(reader)) as elf:
        reader.does("read by pages")
        reader.path.unlink()
        reader.make()
        assert reader.path.stat().st_ino == number
        reader.does("read by pages")
    seen = reader.rows(elf)
    assert (seen["added"], seen["returned"]) == (2 * PAGES, 0)


def test_null_where_the_kernel_does_not_tell_which_file_it_is(reader: Reader) -> None:
    plan = plan_for(reader)
    plan["probes"][0]["btf"]["OFF_INODE_GENERATION"] = "inode.no_such_member"
    with recorded(plan, "partial") as elf:
        reader.does("read by pages")
    assert reader.rows(elf)["returned"] is None
