"""Tables that are counted in maps, at full load: what was counted and what found no room add up to what happened.

Built for the test, each value has a counter of its own, and the programs count how often they come to count something.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from probes.accounts import MapTally
from probes.plant import own_cgroup
from real_elf import (
    CONNECTIONS,
    DISK_READS,
    FILE_READS,
    FORKS,
    MISSES,
    NO_ROOM,
    POLLS,
    REFUSED,
    SWITCH,
    Elf,
    load,
)  # fmt: skip

from santabpf import wire
from santabpf.probes import Probe, Table, all_probes, parse_probe, table_probe
from santabpf.probes.source import plan

pytestmark = pytest.mark.bpf
ROOM_BYTES = 8 << 20


def forever(act: str, before: str = "import os") -> tuple[str, ...]:
    """A process that does it again and again."""
    return ("/usr/bin/python3", "-c", f"{before}\nwhile True:\n    {act}")


OPENS = forever("os.close(os.open('/dev/null', os.O_RDONLY))")
NICE = forever("os.setpriority(os.PRIO_PROCESS, 0, -1)")
SIGNALS = forever(
    "os.kill(os.getpid(), signal.SIGUSR1)", "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)"
)
#: Enters the cgroup that it is given, if any.
ENTER = """
import mmap, os, sys, tempfile
for folder in sys.argv[1:]:
    with open(folder + "/cgroup.procs", "w") as stream:
        stream.write(str(os.getpid()))
"""
FILE = f"""{ENTER}
fd, path = tempfile.mkstemp(dir="/var/tmp")
os.unlink(path)
os.write(fd, bytes(24 << 20))
os.fsync(fd)
def touch():
    with mmap.mmap(fd, 1 << 20, prot=mmap.PROT_READ) as pages:
        pages.madvise(mmap.MADV_RANDOM)
        for at in range(0, 1 << 20, 4096):
            pages[at]
def read():
    for at in range(0, 24 << 20, 1 << 16):
        os.pread(fd, 1 << 16, at)
"""
TOUCHES = forever("os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED); touch()", FILE)
READS = forever("read()", FILE)
BURNS = forever("pass", ENTER + "os.fork(), os.fork()")
#: Table -> the probe with parameters, the column that counts one for each time, and what hits it.
MAPS = {
    "accept_hist": ("accept", "accepts", CONNECTIONS),
    "block_io_hist": ("block_io", "requests", DISK_READS),
    "capability_checks": ("security:each_denial=0", "checks", NICE),
    "drops": ("drops", "packets", REFUSED),
    "event_loop": ("event_loop", "ticks", POLLS),
    "event_loop_hist": ("event_loop", "ticks", POLLS),
    "exhausted": ("exhausted", "errors", NO_ROOM),
    "faults": ("faults", "faults", TOUCHES),
    "file_io": ("file_io", "calls", FILE_READS),
    "offcpu_total": ("offcpu", "blocks", SWITCH),
    "opens_count": ("opens", "opened", OPENS),
    "page_cache": ("page_cache", "", READS),
    "profile_cpu": ("profile:hz=999", "ticks", FORKS),
    "reclaim": ("reclaim", "times", READS),
    "runq_hist": ("runq", "waits", SWITCH),
    "signals_taken": ("signals", "taken", SIGNALS),
    "syscall_latency": ("syscall_latency", "calls", MISSES),
    "syscalls": ("syscalls", "errors", MISSES),
    "throttle_sum": ("throttle", "waits", BURNS),
}
LIMITED = {"reclaim": "memory", "throttle_sum": "cpu"}  # tables that nothing hits but a limit, and whose


def table_of(name: str) -> Table:
    probe = table_probe(name)
    assert probe is not None
    return next(table for table in probe.tables if table.name == name)


def test_no_map_that_counts_is_left_out() -> None:
    tables = [table for probe in all_probes().values() for table in probe.tables]
    assert {table.name for table in tables if table.source == "map" and not table.snapshot} == set(MAPS)


@contextmanager
def limited(controller: str) -> Iterator[list[str]]:
    """The folder of a cgroup with room for a part of the file, or with a tenth of a CPU, in steps of 10 ms."""
    if not controller:
        yield []
        return
    with own_cgroup.made(controller) as (folder, is_v1):
        if controller == "memory":
            own_cgroup.put(folder, "memory.limit_in_bytes" if is_v1 else "memory.max", ROOM_BYTES)
        elif is_v1:
            own_cgroup.put(folder, "cpu.cfs_period_us", 10_000)
            own_cgroup.put(folder, "cpu.cfs_quota_us", 1_000)
        else:
            own_cgroup.put(folder, "cpu.max", "1000 10000")
        yield [folder]


def under_load(
    probe: tuple[Probe, Any], name: str, command: tuple[str, ...], folders: list[str]
) -> tuple[int, int, int]:
    """How often the table counted, what its map had no room for, and the truth."""
    chosen = plan([probe], selfcheck=True)
    table = next(table for table in probe[0].tables if table.name == name)
    with Elf(chosen) as elf:
        elf.until(wire.HELLO)
        with load((*command, *folders)):
            elf.read(2)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    tally = MapTally(table)
    for payload in elf.payloads(wire.MAP, name):
        tally.take(payload)
    assert tally.leaking == 0
    sums = tally.sums
    if column := MAPS[name][1]:
        assert sums[column] == sums["check"]
    return sums["check"], last["loss"][name]["map_full"], last["truth"][name]


@pytest.mark.parametrize("name", MAPS)
def test_each_map_adds_up(name: str) -> None:
    spec, _, command = MAPS[name]
    with limited(LIMITED.get(name, "")) as folders:
        kept, lost, truth = under_load(parse_probe(spec), name, command, folders)
    assert kept + lost == truth
    assert kept > 100


def test_a_map_that_is_too_small_says_each_time_that_it_had_no_room() -> None:
    probe, params = parse_probe("opens")
    small = [replace(table, entries=4) if table.name == "opens_count" else table for table in probe.tables]
    kept, lost, truth = under_load((replace(probe, tables=tuple(small)), params), "opens_count", FORKS, [])
    assert kept + lost == truth
    assert lost > 100
    assert kept > 0
