"""A reader in a cgroup that is too small for its file: what it frees is what leaves the page cache."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from probes.places import LIMIT_BYTES
from real_elf import Elf, decoded, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
FILE_BYTES = 23 << 20
#: Enters the cgroup, reads a file twice, and lets the cache forget what is left of it.
SCRIPT = """
import os, sys
open(sys.argv[2] + "/cgroup.procs", "w").write(str(os.getpid()))
fd = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(2):
    at = 0
    while got := os.pread(fd, 65536, at):
        at += len(got)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
"""


@pytest.fixture
def uncached() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder) / "private"
        path.write_bytes(os.urandom(FILE_BYTES))
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
        yield path


def last_rows(elf: Elf, table: str, key_bytes: int, values: int) -> list[tuple[bytes, list[int]]]:
    """Key and values over all CPUs, at the last reading."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    payload, row = elf.payloads(wire.MAP, table)[-1], key_bytes + 8 * values * cpus
    assert len(payload) % row == 0
    return [
        (
            payload[at : at + key_bytes],
            np.frombuffer(payload, "<u8", values * cpus, at + key_bytes).reshape(cpus, values).sum(axis=0).tolist(),
        )
        for at in range(0, len(payload), row)
    ]


def test_what_a_limited_reader_freed_is_what_left_the_page_cache(cgroup: Path, uncached: Path) -> None:
    with Elf(plan_of("reclaim", "page_cache")) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        child = subprocess.Popen(["/usr/bin/python3", "-c", SCRIPT, str(uncached), str(cgroup)])
        assert child.wait() == 0
        elf.finish()
        loss = elf.json_of(wire.TICK)[-1]["loss"]
        reclaims = last_rows(elf, "reclaim", 48, 3)
        caches = [row for row in decoded(elf, "page_cache") if row["tgid"] == child.pid]
    assert not any(loss["reclaim"].values())
    mine = [(k, v) for k, v in reclaims if struct.unpack_from("<i", k, 16)[0] == child.pid]
    ((key, (times, spent_ns, freed)),) = [(k, v) for k, v in mine if k[20:32].rstrip(b"\0") == b"memcg"]
    assert key[32:].rstrip(b"\0") == b"python3"
    assert times > 23
    assert 0 < spent_ns < 60e9
    added, evicted, removed = (sum(row[f"{what}_pages"] for row in caches) for what in ("added", "evicted", "removed"))
    assert freed == evicted
    assert freed >= (2 * FILE_BYTES - 2 * LIMIT_BYTES) // 4096
    assert evicted + removed <= added + 64  # of its own, but for a few that came with its program


def test_compacting_the_node_is_one_compaction_for_each_zone() -> None:
    zones = re.split(r"^Node ", Path("/proc/zoneinfo").read_text(), flags=re.MULTILINE)
    populated = sum(bool(re.search(r"^ +managed +[1-9]", zone, re.MULTILINE)) for zone in zones)
    with Elf(plan_of("reclaim")) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        Path("/proc/sys/vm/compact_memory").write_text("1")
        elf.finish()
        rows = last_rows(elf, "reclaim", 48, 3)
    mine = [v for k, v in rows if struct.unpack_from("<i", k, 16)[0] == os.getpid() and k[20:30] == b"compaction"]
    assert sum(v[0] for v in mine) == populated
    assert sum(v[1] for v in mine) > 0
    assert not any(v[2] for v in mine)
