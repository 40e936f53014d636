"""Files of cgroups of either version -> what each cgroup used in a second, and what stood at its end."""

from __future__ import annotations

from collections.abc import Callable

from ...units import US
from ..containers import belongs
from ..procfs import Facts, Files, Rows, grown, number

Group = dict[str, bytes]  # name of a file -> its text
#: What v1 says for no limit: the largest multiple of a page that fits.
_NO_LIMIT = 1 << 62


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row is one cgroup that was read now, had been read before, and has something in it."""
    before = _groups(previous or {})
    out: list[dict[str, int | str | None]] = []
    for path, texts in _groups(files).items():
        old = before.get(path)
        if old is None or any(name == "" for name in texts):
            continue
        now = {**old, **texts}
        pod_id, container_id = belongs(path)
        row: dict[str, int | str | None] = {"ts_ns": ts_ns, "span_ns": span_ns, "cgroup": path}
        row |= {"pod_id": pod_id, "container_id": container_id}
        row |= {name: grown(_read(take, now), _read(take, old)) for name, take in COUNTERS.items()}
        row |= {name: grown(_read(take, now), _read(take, old) or 0) for name, take in DISKS.items()}
        row |= {name: _read(take, now) for name, take in SIZES.items()}
        if row["pids"] if row["pids"] is not None else (row["memory_bytes"] or row["cpu_ns"]):
            out.append(row)
    return {name: [row[name] for row in out] for name in NAMES}


def _groups(files: Files) -> dict[str, Group]:
    out: dict[str, Group] = {}
    for name, text in files.items():
        path, _, file = name.rpartition("/")
        out.setdefault(path, {})[file] = text
    return out


def _read(take: Callable[[Group], int | None], group: Group) -> int | None:
    value = take(group)
    return value if value is None or abs(value) < 1 << 63 else None


def _times(value: int | None, factor: int) -> int | None:
    return None if value is None else value * factor


def _first(group: Group, file: str) -> int | None:
    """A file that is one number."""
    return number(group.get(file, b"").strip())


def _keyed(group: Group, file: str, key: bytes) -> int | None:
    """The number after a key, one of them on each line."""
    for line in group.get(file, b"").splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[0] == key:
            return number(fields[1])
    return None


def _limit(group: Group, *names: str) -> int | None:
    """The first of these files that is there; None where there is no limit."""
    value = next((_first(group, name) for name in names if name in group), None)
    return None if value is None or not 0 <= value < _NO_LIMIT else value


def _of_cpu_max(group: Group, field: int) -> int | None:
    """v2: "max 100000" or "50000 100000"."""
    fields = group.get("cpu.max", b"").split()
    return _times(number(fields[field]), US) if len(fields) == 2 else None


def _cpu(v1: str, v2: bytes) -> Callable[[Group], int | None]:
    def take(group: Group) -> int | None:
        return _first(group, v1) if v1 in group else _times(_keyed(group, "cpu.stat", v2), US)

    return take


def _throttled(group: Group) -> int | None:
    ns = _keyed(group, "cpu.stat", b"throttled_time")
    return ns if ns is not None else _times(_keyed(group, "cpu.stat", b"throttled_usec"), US)


def _quota(group: Group) -> int | None:
    quota = _first(group, "cpu.cfs_quota_us")
    return _times(quota, US) if quota is not None and quota > 0 else _of_cpu_max(group, 0)


def _period(group: Group) -> int | None:
    period = _first(group, "cpu.cfs_period_us")
    return _times(period, US) if period is not None else _of_cpu_max(group, 1)


def _event(file: str, key: bytes) -> Callable[[Group], int | None]:
    return lambda group: _keyed(group, file, key)


def _oom_kills(group: Group) -> int | None:
    v1 = _keyed(group, "memory.oom_control", b"oom_kill")
    return v1 if v1 is not None else _keyed(group, "memory.events", b"oom_kill")


def _limit_hits(group: Group) -> int | None:
    return _first(group, "memory.failcnt") if "memory.failcnt" in group else _keyed(group, "memory.events", b"max")


def _whole(group: Group, key: bytes) -> int | None:
    """Of memory.stat: v1 calls what is in it and below it total_...; v2 always means that."""
    total = _keyed(group, "memory.stat", b"total_" + key)
    return total if total is not None else _keyed(group, "memory.stat", key)


def _refaults(group: Group) -> int | None:
    """Of file pages. Before 5.9 only these were counted, under another name."""
    found = _whole(group, b"workingset_refault_file")
    return found if found is not None else _whole(group, b"workingset_refault")


def _cache(group: Group) -> int | None:
    found = [_whole(group, key) for key in (b"active_file", b"inactive_file")]
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def _io(v1: str, kind: bytes, v2: bytes) -> Callable[[Group], int | None]:
    """All disks together. v1: "8:0 Read 4096" and "Total 4096"; v2: "8:0 rbytes=4096 wbytes=0 rios=1 ...".

    None where v1 lists no disk: newer kernels count only those on which some cgroup has a limit, from then on, from 0.
    """

    def take(group: Group) -> int | None:
        file = f"blkio.throttle.{v1}_recursive"
        if file in group:
            lines = [line.split() for line in group[file].splitlines()]
            found = [number(f[2]) for f in lines if len(f) == 3 and f[1] == kind]
            if not found:
                return None
        elif "io.stat" in group:
            fields = [field for line in group["io.stat"].splitlines() for field in line.split()[1:]]
            found = [number(f[len(v2) :]) for f in fields if f.startswith(v2)]
        else:
            return None
        return sum(value for value in found if value is not None)

    return take


def _pressure(file: str, kind: bytes) -> Callable[[Group], int | None]:
    def take(group: Group) -> int | None:
        for line in group.get(file, b"").splitlines():
            fields = line.split()
            if fields and fields[0] == kind and fields[-1].startswith(b"total="):
                return _times(number(fields[-1][6:]), US)
        return None

    return take


COUNTERS: dict[str, Callable[[Group], int | None]] = {
    "cpu_ns": _cpu("cpuacct.usage", b"usage_usec"),
    "cpu_user_ns": _cpu("cpuacct.usage_user", b"user_usec"),
    "cpu_system_ns": _cpu("cpuacct.usage_sys", b"system_usec"),
    "periods": _event("cpu.stat", b"nr_periods"),
    "throttled_periods": _event("cpu.stat", b"nr_throttled"),
    "throttled_ns": _throttled,
    "memory_limit_hits": _limit_hits,
    "memory_refaults": _refaults,
    "ooms": _event("memory.events", b"oom"),
    "oom_kills": _oom_kills,
    "pids_limit_hits": _event("pids.events", b"max"),
    "pressure_cpu_some_ns": _pressure("cpu.pressure", b"some"),
    "pressure_memory_some_ns": _pressure("memory.pressure", b"some"),
    "pressure_memory_full_ns": _pressure("memory.pressure", b"full"),
    "pressure_io_some_ns": _pressure("io.pressure", b"some"),
    "pressure_io_full_ns": _pressure("io.pressure", b"full"),
}
DISKS: dict[str, Callable[[Group], int | None]] = {
    "read_bytes": _io("io_service_bytes", b"Read", b"rbytes="),
    "write_bytes": _io("io_service_bytes", b"Write", b"wbytes="),
    "reads": _io("io_serviced", b"Read", b"rios="),
    "writes": _io("io_serviced", b"Write", b"wios="),
}
SIZES: dict[str, Callable[[Group], int | None]] = {
    "cpu_quota_ns": _quota,
    "cpu_period_ns": _period,
    "memory_bytes": lambda group: _first(group, "memory.usage_in_bytes" if "memory.usage_in_bytes" in group
                                         else "memory.current"),
    "memory_limit_bytes": lambda group: _limit(group, "memory.limit_in_bytes", "memory.max"),
    "memory_cache_bytes": _cache,
    "pids": lambda group: _first(group, "pids.current"),
    "pids_limit": lambda group: _limit(group, "pids.max"),
}  # fmt: skip
NAMES = ("ts_ns", "span_ns", "cgroup", "pod_id", "container_id", *COUNTERS, *DISKS, *SIZES)
