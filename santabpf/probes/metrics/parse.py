"""Two readings of the node's own files in /proc -> what one second added, and what stood at its end."""

from __future__ import annotations

import re

from ...units import KIB, MS, US
from ..procfs import Facts, Files, Rows, grown, number

Numbers = dict[str, int | None]
#: Column -> field of the `cpu` line of /proc/stat.
CPU = {"user": 1, "nice": 2, "system": 3, "idle": 4, "iowait": 5, "irq": 6, "softirq": 7, "steal": 8}
MEMORY = {
    "mem_total_bytes": "MemTotal", "mem_free_bytes": "MemFree", "mem_available_bytes": "MemAvailable",
    "page_cache_bytes": "Cached", "dirty_bytes": "Dirty", "swap_free_bytes": "SwapFree",
    "swap_total_bytes": "SwapTotal",
}  # fmt: skip
#: Column -> names in /proc/vmstat, newest kernel first, and what one of them is. workingset_refault was split into
#: _file and _anon in 5.9; oom_kill came in 4.13.
VMSTAT: dict[str, tuple[tuple[str, ...], int]] = {
    "page_in_bytes": (("pgpgin",), KIB),
    "page_out_bytes": (("pgpgout",), KIB),
    "major_faults": (("pgmajfault",), 1),
    "refaults": (("workingset_refault_file", "workingset_refault"), 1),
    "swap_ins": (("pswpin",), 1),
    "swap_outs": (("pswpout",), 1),
    "direct_scans": (("pgscan_direct",), 1),
    "oom_kills": (("oom_kill",), 1),
}
#: Column -> protocol and name in /proc/net/snmp and /proc/net/netstat.
NETSTAT = {
    "tcp_out_segments": "Tcp.OutSegs", "tcp_retransmits": "Tcp.RetransSegs", "tcp_active_opens": "Tcp.ActiveOpens",
    "tcp_attempt_fails": "Tcp.AttemptFails", "tcp_resets_sent": "Tcp.OutRsts",
    "listen_overflows": "TcpExt.ListenOverflows", "listen_drops": "TcpExt.ListenDrops",
    "tcp_timeouts": "TcpExt.TCPTimeouts", "tcp_syn_retransmits": "TcpExt.TCPSynRetrans",
}  # fmt: skip
#: Block devices that stand for others (their I/O is counted there) or for memory.
_NO_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|drbd|bcache)\d*")
_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own are


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row is the node in one second."""
    now, before = _counters(files, facts), _counters(previous or {}, facts)
    row: dict[str, int | float | None] = {"ts_ns": ts_ns, "span_ns": span_ns}
    row |= {name: grown(value, before.get(name)) for name, value in now.items()}
    row |= _disks(files, previous or {}) | _interfaces(files, previous or {}) | _sizes(files)
    return {name: [value] for name, value in row.items()}


def _counters(files: Files, facts: Facts) -> Numbers:
    """All that only grows."""
    out: Numbers = {}
    stat = _lines(files.get("/proc/stat", b""))
    cpu = [number(field) for field in stat.get("cpu", [])]
    for name, field in CPU.items():
        out[f"cpu_{name}_ns"] = _times(cpu[field - 1] if field <= len(cpu) else None, facts.tick_ns)
    out["context_switches"], out["forks"] = _first(stat.get("ctxt")), _first(stat.get("processes"))
    vmstat = {name: _first(fields) for name, fields in _lines(files.get("/proc/vmstat", b"")).items()}
    for name, (keys, factor) in VMSTAT.items():
        out[name] = _times(next((vmstat[key] for key in keys if key in vmstat), None), factor)
    stalls = [value for name, value in vmstat.items() if name.startswith("allocstall") and value is not None]
    out["alloc_stalls"] = sum(stalls) if stalls else None
    net = _protocols(files.get("/proc/net/snmp", b"")) | _protocols(files.get("/proc/net/netstat", b""))
    out |= {name: net.get(key) for name, key in NETSTAT.items()}
    for resource, kind in (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full")):
        fields = _lines(files.get(f"/proc/pressure/{resource}", b"")).get(kind, [])
        total = next((number(f.removeprefix(b"total=")) for f in fields if f.startswith(b"total=")), None)
        out[f"pressure_{resource}_{kind}_ns"] = _times(total, US)
    return out


def _sizes(files: Files) -> dict[str, int | float | None]:
    """All that stands at the end of the second."""
    stat, memory = _lines(files.get("/proc/stat", b"")), _lines(files.get("/proc/meminfo", b""))
    out: dict[str, int | float | None] = {}
    out["procs_running"], out["procs_blocked"] = _first(stat.get("procs_running")), _first(stat.get("procs_blocked"))
    out |= {name: _times(_first(memory.get(key)), KIB) for name, key in MEMORY.items()}
    sockets = _lines(files.get("/proc/net/sockstat", b"")).get("TCP", [])
    counts = dict(zip(sockets[::2], sockets[1::2], strict=False))
    newer = _lines(files.get("/proc/net/sockstat6", b"")).get("TCP6", [])
    in_use = [number(fields.get(b"inuse")) for fields in (counts, dict(zip(newer[::2], newer[1::2], strict=False)))]
    out["tcp_sockets"] = None if in_use[0] is None else in_use[0] + (in_use[1] or 0)
    out["tcp_time_wait"] = number(counts.get(b"tw"))
    out["open_files"] = _first(files.get("/proc/sys/fs/file-nr", b"").split())
    load = re.match(rb"(\d{1,9}\.\d{1,9}) ", files.get("/proc/loadavg", b""))
    out["load1"] = float(load[1]) if load else None
    return out


def _disks(files: Files, previous: Files) -> Numbers:
    """The whole disks together, and the busiest. A disk that was plugged in meanwhile counts from 0."""
    path = "/proc/diskstats"
    if path not in files or path not in previous:
        return {}
    now, before = _whole_disks(files[path]), _whole_disks(previous[path])
    added = {name: [grown(a, b) or 0 for a, b in zip(values, before.get(name, [0] * 5), strict=True)]
             for name, values in now.items()}  # fmt: skip
    reads, read_sectors, writes, write_sectors = (sum(values[i] for values in added.values()) for i in range(4))
    return {
        "disk_reads": reads, "disk_writes": writes, "disk_read_bytes": read_sectors * _SECTOR_BYTES,
        "disk_write_bytes": write_sectors * _SECTOR_BYTES,
        "disk_busy_ns": max((values[4] for values in added.values()), default=0) * MS,
    }  # fmt: skip


def _whole_disks(raw: bytes) -> dict[str, list[int]]:
    """Name -> reads, sectors read, writes, sectors written, ms busy. A partition is named after its disk."""
    found = {}
    for fields in map(bytes.split, raw.splitlines()):
        values = [number(field) for field in fields[3:13]]
        name = fields[2].decode("ascii", "backslashreplace") if len(fields) > 2 else ""
        picked = [values[i] for i in (0, 2, 4, 6, 9)] if len(values) == 10 else [None]
        whole = [value for value in picked if value is not None]
        if len(whole) == 5 and not _NO_DISK.fullmatch(name):
            found[name] = whole
    return {name: values for name, values in found.items() if not _is_partition(name, found)}


def _is_partition(name: str, disks: dict[str, list[int]]) -> bool:
    disk = name.rstrip("0123456789")
    return disk != name and (disk in disks or (disk.endswith("p") and disk[-2:-1].isdigit() and disk[:-1] in disks))


def _interfaces(files: Files, previous: Files) -> Numbers:
    """All interfaces but loopback together. One that appeared meanwhile counts from 0."""
    path = "/proc/net/dev"
    if path not in files or path not in previous:
        return {}
    now, before = _lines(files[path]), _lines(previous[path])
    total = {"net_rx_bytes": 0, "net_tx_bytes": 0, "net_rx_drops": 0, "net_errors": 0}
    fields = {"net_rx_bytes": (0,), "net_tx_bytes": (8,), "net_rx_drops": (3,), "net_errors": (2, 10)}
    for name, values in now.items():
        if name != "lo" and len(values) == 16 and number(values[0]) is not None:
            old = before.get(name, [b"0"] * 16)
            for column, places in fields.items():
                total[column] += sum(grown(number(values[i]), number(old[i])) or 0 for i in places if i < len(old))
    return dict(total)


def _lines(raw: bytes) -> dict[str, list[bytes]]:
    """Each line's first word, without its colon, -> the other words. `eth0:12` is two words."""
    out = {}
    for line in raw.splitlines():
        fields = line.replace(b":", b" ", 1).split() if b"|" not in line else []
        if fields:
            out[fields[0].decode("ascii", "backslashreplace")] = fields[1:]
    return out


def _protocols(raw: bytes) -> Numbers:
    """Pairs of lines, names and values: `Tcp: ActiveOpens ...`, `Tcp: 12 ...` -> {"Tcp.ActiveOpens": 12}."""
    out: Numbers = {}
    lines = [line.split() for line in raw.splitlines()]
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if names and values and names[0] == values[0]:
            protocol = names[0].decode("ascii", "backslashreplace")
            pairs = zip(names[1:], values[1:], strict=False)
            out |= {f"{protocol}{name.decode('ascii', 'backslashreplace')}": number(value) for name, value in pairs}
    return {name.replace(":", ".", 1): value for name, value in out.items()}


def _first(fields: list[bytes] | None) -> int | None:
    return number(fields[0]) if fields else None


def _times(value: int | None, factor: int) -> int | None:
    """A value in its unit; None if the product would not fit a column."""
    return None if value is None or abs(value * factor) >= 1 << 63 else value * factor
