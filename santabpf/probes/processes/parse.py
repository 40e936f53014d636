"""Four files of each process -> one row for each that lived when the recording started."""

from __future__ import annotations

from ..procfs import Facts, Files, Rows, arguments, number, parse_stat, text

COLUMNS = (
    "ts_ns", "start_ns", "tgid", "ptgid", "uid", "is_kernel", "threads", "cpu_ns", "rss_bytes", "comm", "argv",
    "argv_truncated", "cgroup",
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
        line = files.get(f"{pid}/cmdline")
        found.append((
            ts_ns, stat.start_ns, stat.tgid, stat.ptgid or None, _uid(files.get(f"{pid}/status", b"")), stat.is_kernel,
            stat.threads, stat.user_ns + stat.system_ns, stat.rss_bytes, stat.comm,
            None if line is None else _argv(line), None if line is None else len(line) > ARGV_BYTES,
            _cgroup(files.get(f"{pid}/cgroup", b"")),
        ))  # fmt: skip
    return {column: [row[i] for row in found] for i, column in enumerate(COLUMNS)}


def _argv(line: bytes) -> list[str]:
    """Arguments, each ended by NUL; a program that wrote over its own command line may have left many at its end."""
    line = line[:ARGV_BYTES]
    while line.endswith(b"\0\0\0"):
        line = line[:-1]
    return arguments(line)


def _uid(status: bytes) -> int | None:
    """The first, real, user id of the line `Uid:`."""
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            fields = line.split()
            return number(fields[1]) if len(fields) > 1 else None
    return None


def _cgroup(raw: bytes) -> str | None:
    """The last two parts of the path: v2's unless that is the root, else v1's memory or pids; `/` for the root."""
    paths: dict[bytes, bytes] = {}
    for line in raw.splitlines():
        _, _, rest = line.partition(b":")
        controllers, colon, path = rest.partition(b":")
        if colon:
            paths |= dict.fromkeys(controllers.split(b","), path)
    for controller in (b"", b"memory", b"pids"):
        parts = [part for part in paths.get(controller, b"").split(b"/") if part]
        if parts:
            return text(b"/".join(parts[-2:]))
    return "/" if paths else None
