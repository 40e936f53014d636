"""A recording with something in every panel, whose sums can be counted by hand: the made-up node, with files, peers,
failed calls and stacks of a shop (pid 7001) and of a backup (pid 7002) beside it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import synthetic
from synthetic import HOSTILE, MS, START, S

SHOP = {"tgid": 7001, "start_ns": 70_000 * MS}
BACKUP = {"tgid": 7002, "start_ns": 80_000 * MS}
PEER, OTHER_PEER = "203.0.113.7", "198.51.100.9"


def more(hostile: bool = False) -> dict[str, pa.Table]:
    """Every second the shop reads orders.db 10 times, and is sampled 49 times in sort(); the backup reads it once in
    the last 10 s. The shop talks to PEER in the first half and to OTHER_PEER in the second, once a second."""
    shop, backup = (HOSTILE[0], HOSTILE[4]) if hostile else ("shop", "backup")
    orders = HOSTILE[1] if hostile else "orders.db"
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in ("file_io", "tcp", "syscalls", "profile")}
    for second in range(synthetic.SECONDS):
        end = START + (second + 1) * S
        span = {"ts_ns": end, "span_ns": S, "node": "node-1"}
        inode = {"inode": 23, "major": 8, "minor": 1, "op": "read", "name": orders, "errors": 0}
        rows["file_io"].append({**span, **SHOP, **inode, "calls": 10, "data_bytes": 40_960, "total_ns": 20 * MS})
        if second >= 20:
            rows["file_io"].append({**span, **BACKUP, **inode, "calls": 1, "data_bytes": 4096, "total_ns": MS})
        rows["syscalls"].append({**span, **SHOP, "call": "openat", "error": 2, "is_ordinary": False, "errors": 23,
                                 "comm": shop})
        rows["tcp"].append({
            **SHOP, "ts_ns": end - S // 2, "node": "node-1", "connect_ns": 3 * MS, "lifetime_ns": 200 * MS,
            "sent_bytes": 1000, "received_bytes": 2000, "retransmits": 0, "local_port": 40_000 + second,
            "remote_port": 5432, "local_ip": "192.0.2.1", "remote_ip": PEER if second < 15 else OTHER_PEER,
            "comm": shop, "direction": "out", "ended": "closed" if second % 5 else "reset"})
        for number in range(49):
            sample = {"ts_ns": end - S + number * 20 * MS, "node": "node-1", "cpu": 0, "cut": False}
            rows["profile"].append({**sample, **SHOP, "tid": 7001, "comm": shop, "kernel_stack": [],
                                    "user_frames": ["aa+10", "aa+20"]})
            if second >= 20 and number % 7 == 0:
                rows["profile"].append({**sample, **BACKUP, "tid": 7002, "comm": backup, "kernel_stack": [],
                                        "user_frames": ["aa+30", "aa+20"]})
    tables = {name: pa.Table.from_pylist(values) for name, values in rows.items()}
    tables["profile"] = pa.Table.from_pylist(sorted(rows["profile"], key=lambda row: row["ts_ns"]))
    functions = {"aa+10": HOSTILE[3] if hostile else "sort", "aa+30": "compress", "aa+20": "main"}
    tables["symbols"] = pa.Table.from_pylist([
        {"ts_ns": START, "frame": frame, "is_return": is_return, "name": name, "offset_bytes": 4, "module": "/bin/shop",
         "module_offset_bytes": 4096 * at, "is_call": True, "keeps_frame": True}
        for at, (frame, name) in enumerate(functions.items()) for is_return in (False, True)])
    return tables


def record(path: Path, *, hostile: bool = False) -> Path:
    """The recording."""
    return synthetic.record(path, jobs=120, hostile=hostile, more=more(hostile))
