"""Four files of each process -> one row for each that lived when the recording started."""

from __future__ import annotations

from ..procfs import Facts, Files, Rows, arguments, number, parse_stat, place_of

COLUMNS = (
    "ts_ns", "start_ns", "tgid", "ptgid", "uid", "is_kernel", "threads", "cpu_ns", "rss_bytes", "comm", "argv",
    "argv_truncated", "cgroup", "pod_id", "container_id",
)  # fmt: skip
#: As much of a command line as the probe `exec` keeps, so that the two compare.
ARGV_BYTES = 511


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row is one process; those that ended while they were read are left out."""
    found = []
    for name, raw in files.items():
        pid, _, kind = name.partition("/")
        stat = parse_stat(raw, facts) if kind == "stat" else None
        if stat is None:
            continue
        argv, is_cut = _argv(files.get(f"{pid}/cmdline"))
        found.append((
            ts_ns, stat.start_ns, stat.tgid, stat.ptgid or None, _uid(files.get(f"{pid}/status", b"")), stat.is_kernel,
            stat.threads, stat.user_ns + stat.system_ns, stat.rss_bytes, stat.comm, argv, is_cut,
            *place_of(files, pid, facts),
        ))  # fmt: skip
    return {column: [row[i] for row in found] for i, column in enumerate(COLUMNS)}


def _argv(line: bytes | None) -> tuple[list[str] | None, bool | None]:
    """Arguments, each ended by NUL, and whether there were more.

    A program that wrote a title over its command line left many NULs at its end: they are no arguments.
    """
    if line is None:
        return None, None
    if line.endswith(b"\0\0\0"):
        line = line.rstrip(b"\0") + b"\0"
    return arguments(line[:ARGV_BYTES]), len(line) > ARGV_BYTES


def _uid(status: bytes) -> int | None:
    """The first, real, user id of the line `Uid:`."""
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            fields = line.split()
            return number(fields[1]) if len(fields) > 1 else None
    return None
