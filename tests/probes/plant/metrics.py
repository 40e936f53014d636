"""Plants 23 of each thing that a node counts, then 23 connections of IPv6 that stay. One line of JSON says between
which times of UTC, what the kernel counted from before the first to after the last, what it counted over a longer time,
and between which two values each size was meanwhile.

This reads the same files as the probe does, by other code: /sys/block says what a whole disk is.
"""

import json
import mmap
import os
import socket
import tempfile
import time

PLANTED = 23
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
COMPUTED_S = 0.3
CPU = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
NO_DISK = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "drbd", "bcache")
NET = {
    "Tcp": {"tcp_out_segments": "OutSegs", "tcp_retransmits": "RetransSegs", "tcp_active_opens": "ActiveOpens",
            "tcp_attempt_fails": "AttemptFails", "tcp_resets_sent": "OutRsts"},
    "TcpExt": {"listen_overflows": "ListenOverflows", "listen_drops": "ListenDrops", "tcp_timeouts": "TCPTimeouts",
               "tcp_syn_retransmits": "TCPSynRetrans"},
}  # fmt: skip
VMSTAT = {"major_faults": "pgmajfault", "refaults": "workingset_refault_file", "swap_ins": "pswpin",
          "swap_outs": "pswpout", "direct_scans": "pgscan_direct", "oom_kills": "oom_kill"}  # fmt: skip
MEMORY = {"mem_total_bytes": "MemTotal", "mem_free_bytes": "MemFree", "mem_available_bytes": "MemAvailable",
          "page_cache_bytes": "Cached", "dirty_bytes": "Dirty", "swap_free_bytes": "SwapFree",
          "swap_total_bytes": "SwapTotal"}  # fmt: skip


def text(path):
    with open(path) as stream:
        return stream.read()


def words(path):
    return [line.replace(":", " ").split() for line in text(path).splitlines()]


def counted():
    """Column -> what the kernel has counted since it booted."""
    stat = {line[0]: line[1:] for line in words("/proc/stat")}
    out = {f"cpu_{name}_ns": int(stat["cpu"][at]) * TICK_NS for at, name in enumerate(CPU)}
    out["context_switches"], out["forks"] = int(stat["ctxt"][0]), int(stat["processes"][0])
    vmstat = {line[0]: int(line[1]) for line in words("/proc/vmstat")}
    out.update({name: vmstat[key] for name, key in VMSTAT.items()})
    out["page_in_bytes"], out["page_out_bytes"] = vmstat["pgpgin"] * 1024, vmstat["pgpgout"] * 1024
    out["alloc_stalls"] = sum(value for name, value in vmstat.items() if name.startswith("allocstall"))
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        lines = words(path)
        for names, values in zip(lines[::2], lines[1::2]):  # noqa: B905
            told = dict(zip(names[1:], values[1:]))  # noqa: B905
            out.update({name: int(told[key]) for name, key in NET.get(names[0], {}).items()})
    out.update(dict.fromkeys(("disk_reads", "disk_read_bytes", "disk_writes", "disk_write_bytes"), 0))
    for disk in os.listdir("/sys/block"):
        if not disk.startswith(NO_DISK):
            told = [int(field) for field in text(f"/sys/block/{disk}/stat").split()]
            for name, at, size in (("disk_reads", 0, 1), ("disk_read_bytes", 2, 512), ("disk_writes", 4, 1),
                                   ("disk_write_bytes", 6, 512)):  # fmt: skip
                out[name] += told[at] * size
    for name, fields in (("net_rx_bytes", [0]), ("net_tx_bytes", [8]), ("net_rx_drops", [3]), ("net_errors", [2, 10])):
        told = [line[1:] for line in words("/proc/net/dev") if len(line) == 17 and line[0] != "lo"]
        out[name] = sum(int(line[at]) for line in told for at in fields)
    for name in ("cpu_some", "memory_some", "memory_full", "io_some", "io_full"):
        resource, _, kind = name.partition("_")
        if os.path.exists("/proc/pressure/" + resource):
            (line,) = [line for line in text("/proc/pressure/" + resource).splitlines() if line.startswith(kind)]
            out[f"pressure_{name}_ns"] = int(line.rpartition("=")[2]) * 1000
    return out


def sizes():
    """Column -> what stands now."""
    told = {line[0]: int(line[1]) * 1024 for line in words("/proc/meminfo") if len(line) > 1}
    out = {name: told[key] for name, key in MEMORY.items()}
    stat = {line[0]: line[1:] for line in words("/proc/stat")}
    out["procs_running"], out["procs_blocked"] = int(stat["procs_running"][0]), int(stat["procs_blocked"][0])
    sockets = next(line for line in words("/proc/net/sockstat") if line[0] == "TCP")
    out["tcp_time_wait"] = int(sockets[sockets.index("tw") + 1])
    out["open_files"] = int(text("/proc/sys/fs/file-nr").split()[0])
    out["load1"] = float(text("/proc/loadavg").split()[0])
    return out


def grown(before, after):
    return {name: after[name] - before[name] for name in before}


def plant(folder):
    """23 of each: refused connections, connections, processes, writes to a disk, reads from it; and some computing."""
    closed = socket.socket()  # it is bound, so that nobody else listens there, and does not listen itself
    closed.bind(("127.0.0.1", 0))
    listener = socket.create_server(("127.0.0.1", 0), backlog=PLANTED)
    fd = os.open(folder + "/written", os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_SYNC)
    page = mmap.mmap(-1, 4096)
    for at in range(PLANTED):
        with socket.socket() as end:
            end.connect_ex(closed.getsockname())
        with socket.create_connection(listener.getsockname()):
            pass
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        os.pwrite(fd, page, 4096 * at)
    for at in range(PLANTED):
        os.preadv(fd, [page], 4096 * at)
    end_s = time.process_time() + COMPUTED_S
    while time.process_time() < end_s:
        pass
    os.close(fd)
    listener.close()
    closed.close()


def main():
    time.sleep((0.5 - time.time()) % 1)
    wide_from_ns, first = time.time_ns(), counted()
    time.sleep((1.2 - time.time()) % 1)
    from_ns, before = time.time_ns(), counted()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        plant(folder)
        on_disk = os.stat(folder).st_dev >> 8 not in (0, 7)  # neither a tmpfs, or the like, nor a loop
    after, to_ns = counted(), time.time_ns()
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=PLANTED)
    kept = [socket.create_connection(listener.getsockname()[:2]) for _ in range(PLANTED)]
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(900)]
    made_ns, seen, end_s = time.time_ns(), [], time.time() + 2.2 - time.time() % 1  # on a slow machine it is read late
    while time.time() < end_s:
        seen.append(sizes())
        time.sleep(0.05)
    told_ns = time.time_ns()
    for fd in files:
        os.close(fd)
    time.sleep((0.5 - time.time()) % 1)
    last, wide_to_ns = counted(), time.time_ns()
    between = {name: [min(s[name] for s in seen), max(s[name] for s in seen)] for name in seen[0]}
    planted = ["tcp_attempt_fails", "tcp_resets_sent", "tcp_active_opens", "tcp_out_segments", "forks"]
    print(json.dumps({
        "from_ns": from_ns, "to_ns": to_ns, "made_ns": made_ns, "told_ns": told_ns,
        "wide_from_ns": wide_from_ns, "wide_to_ns": wide_to_ns,
        "planted": planted + (["disk_writes", "disk_reads"] if on_disk else []), "computed_ns": COMPUTED_S * 1e9,
        "at_least": grown(before, after), "at_most": grown(first, last), "between": between,
        "sockets6": 2 * len(kept) + 1,
    }))  # fmt: skip


main()
