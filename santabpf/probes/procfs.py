"""Text of /proc, as every parse.py needs it. In: bytes of files. Out: numbers and text. Never: a file system.

A parse.py has one function:

    rows(files, previous, ts_ns, span_ns, facts) -> {column: values}

files are what the elf read now (name -> bytes), previous what it read before (None for a table that is read once),
ts_ns and span_ns the time that ends with the reading. What is absent or unreadable becomes None, never 0, and a
process whose files can't be understood is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..units import SECOND
from .containers import belongs

Files = dict[str, bytes]
Rows = dict[str, list[Any]]
#: PF_KTHREAD, include/linux/sched.h.
_KERNEL_THREAD = 0x00200000


class Facts(NamedTuple):
    """What of the node a reader of /proc must know."""

    clock_tick_hz: int
    page_bytes: int
    cgroup_controller: str = ""  # of cgroups v1, the one whose groups processes are told by; empty: cgroups v2

    @property
    def tick_ns(self) -> int:
        """One clock tick, the unit of CPU time in /proc."""
        return SECOND // self.clock_tick_hz


class Stat(NamedTuple):
    """One /proc/PID/stat, in ns and bytes."""

    tgid: int
    ptgid: int
    comm: str
    is_kernel: bool
    user_ns: int
    system_ns: int
    threads: int
    start_ns: int
    rss_bytes: int


def text(raw: bytes) -> str:
    """Bytes to text; those that are no UTF-8 become \\xNN escapes."""
    return raw.decode("utf-8", "backslashreplace")


def arguments(raw: bytes) -> list[str]:
    """A command line, each argument ended by NUL (the last perhaps cut), to its arguments.

    >>> arguments(b"sh\\0-c\\0\\0"), arguments(b"")
    (['sh', '-c', ''], [])
    """
    parts = raw.split(b"\0")
    if not parts[-1]:
        parts.pop()
    return [text(part) for part in parts]


def number(raw: bytes | None) -> int | None:
    """A whole number that fits a column; None for anything else.

    >>> number(b"42"), number(b"4 2"), number(None)
    (42, None, None)
    """
    if raw is None or not raw.isascii() or not raw.removeprefix(b"-").isdigit() or len(raw) > 20:
        return None
    value = int(raw)
    return value if -(1 << 63) <= value < 1 << 63 else None


def grown(now: int | None, before: int | None) -> int | None:
    """What was added between two readings of a counter; None where one is missing, 0 where it went back."""
    return None if now is None or before is None else max(0, now - before)


def place_of(files: Files, pid: str, facts: Facts) -> tuple[str | None, str | None, str | None]:
    """The cgroup of a process, out of its /proc/PID/cgroup, and the pod and the container that its path tells."""
    cgroup = _cgroup(files.get(f"{pid}/cgroup", b""), facts.cgroup_controller)
    return cgroup, *(belongs(cgroup) if cgroup else (None, None))


def _cgroup(raw: bytes, wanted: str) -> str | None:
    """The whole path of one controller (empty: v2), without the mark of a cgroup that was removed while its last
    process still ended."""
    for line in raw.splitlines():
        _, _, rest = line.partition(b":")
        controllers, colon, path = rest.partition(b":")
        if colon and wanted.encode() in controllers.split(b","):
            return text(path.removesuffix(b" (deleted)")) or None
    return None


def parse_stat(raw: bytes, facts: Facts) -> Stat | None:
    """One /proc/PID/stat; None if it is none. The name may hold spaces and brackets: it ends at the last one."""
    head, bracket, tail = raw.rpartition(b")")
    pid, _, comm = head.partition(b" (")
    fields = [number(field) for field in tail.split()]
    if not bracket or len(fields) < 22 or (tgid := number(pid)) is None:
        return None
    wanted = [value for value in (fields[i] for i in (1, 6, 11, 12, 17, 19, 21)) if value is not None]
    if len(wanted) < 7:
        return None
    ppid, flags, utime, stime, threads, start, rss = wanted
    times = [ticks * facts.tick_ns for ticks in (utime, stime, start)]
    rss_bytes = rss * facts.page_bytes
    if not all(0 <= value < 1 << 62 for value in (*times, rss_bytes)) or not 0 <= max(tgid, ppid) < 1 << 31:
        return None
    return Stat(tgid, ppid, text(comm), bool(flags & _KERNEL_THREAD), times[0], times[1], threads, times[2], rss_bytes)
