"""What processes have cost so far, read from outside to the nanosecond. Never changes them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..units import SECOND


class Cpu(NamedTuple):
    """CPU time, of one process or of several. The sum is exact, the split into user and system is sampled."""

    total_ns: int = 0
    sampled_ns: int = 0
    sampled_user_ns: int = 0

    @property
    def user_ns(self) -> float:
        """What part of it was spent in user mode, by the samples."""
        return self.total_ns * self.sampled_user_ns / self.sampled_ns if self.sampled_ns else 0.0

    @property
    def system_ns(self) -> float:
        """What part of it was spent in the kernel, by the samples."""
        return self.total_ns - self.user_ns

    def __sub__(self, earlier: Cpu) -> Cpu:
        return Cpu(*(late - early for late, early in zip(self, earlier, strict=True)))


def cpu_of(pids: Iterable[int]) -> Cpu:
    """The CPU time of these processes, all threads; those that have gone count as nothing.

    By clock_getcpuclockid(3): the scheduler's own count to the nanosecond, and what timer ticks found, in all and in
    user mode. A split of less than some 100 ms of CPU is rough.
    """
    total = sampled = user = 0
    for pid in pids:
        try:
            ticks, user_ticks, exact = (time.clock_gettime_ns((~pid << 3) | kind) for kind in (0, 1, 2))
        except OSError:
            continue
        total, sampled, user = total + exact, sampled + ticks, user + user_ticks
    return Cpu(total, sampled, user)


def descendants(pid: int) -> list[int]:
    """The processes below this one, alive now."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_bytes().rpartition(b")")[2].split()[1])
        except OSError:
            continue
    found: list[int] = []
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - set(found)
        found += sorted(new)
    return found


def command_of(pid: int) -> bytes:
    """A process's command line; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


_RANGE = re.compile(r"^[0-9a-f]+-[0-9a-f]+ .{4} \S+ \S+ \d+ *(.*)$")


def private_bytes(pid: int, without: str = "bpf") -> int:
    """Private memory of a process, by smaps, without the mappings whose name holds a word (the rings)."""
    total, counts = 0, True
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := _RANGE.match(line):
            counts = without not in match[1]
        elif counts and line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1]) << 10
    return total


def wait_idle(pids: list[int], timeout_s: float, share: float = 0.05) -> None:
    """Wait until these processes take less than a share of one CPU, or the time is up."""
    deadline = time.monotonic() + timeout_s
    before = cpu_of(pids).total_ns
    while time.monotonic() < deadline:
        time.sleep(0.2)
        after = cpu_of(pids).total_ns
        if after - before < share * 0.2 * SECOND:
            return
        before = after
