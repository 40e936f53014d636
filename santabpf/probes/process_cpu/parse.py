"""Two readings of /proc/PID/stat -> the CPU time that each process used between them, and its cgroup."""

from __future__ import annotations

from ..procfs import Facts, Files, Rows, parse_stat, place_of

COLUMNS = (
    "ts_ns", "span_ns", "start_ns", "tgid", "ptgid", "user_ns", "system_ns", "rss_bytes", "threads", "comm", "cgroup",
    "pod_id", "container_id",
)  # fmt: skip


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row is one process that is in both readings, as the same process, and used CPU between them."""
    found = []
    for name, raw in files.items():
        pid, _, kind = name.partition("/")
        if kind != "stat":
            continue
        now, before = parse_stat(raw, facts), parse_stat((previous or {}).get(name, b""), facts)
        if now is None or before is None or now.start_ns != before.start_ns:
            continue
        user_ns, system_ns = max(0, now.user_ns - before.user_ns), max(0, now.system_ns - before.system_ns)
        if user_ns or system_ns:
            found.append((
                ts_ns, span_ns, now.start_ns, now.tgid, now.ptgid or None, user_ns, system_ns, now.rss_bytes,
                now.threads, now.comm, *place_of(files, pid, facts),
            ))  # fmt: skip
    return {column: [row[i] for row in found] for i, column in enumerate(COLUMNS)}
