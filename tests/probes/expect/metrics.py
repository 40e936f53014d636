"""Each counter of metrics lies between what the kernel counted over a shorter and over a longer time, each size between
the least and the most that it was; and both hold what was planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PLANTED = 23
MIB = 1 << 20
#: What the kernel itself sums up a little later, or takes back: idle times, counters kept for each CPU.
SLACK = {"cpu_idle_ns": 200_000_000, "cpu_iowait_ns": 200_000_000}
#: Between two looks of the plant these may have been larger or smaller.
ROOM = {"procs_running": 16, "procs_blocked": 16, "tcp_time_wait": 64, "open_files": 512, "load1": 0.5}
FIXED = ("mem_total_bytes", "swap_total_bytes")


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = sorted(table("metrics").to_pylist(), key=lambda row: row["ts_ns"])
    start, end = facts["from_ns"], facts["to_ns"]
    touched = [row for row in rows if row["ts_ns"] > start and row["ts_ns"] - row["span_ns"] < end]
    inside = [
        row
        for row in rows
        if row["ts_ns"] - row["span_ns"] >= facts["wide_from_ns"] and row["ts_ns"] <= facts["wide_to_ns"]
    ]
    assert inside
    for name, least in facts["at_least"].items():
        slack = SLACK.get(name, 0)
        assert sum(row[name] for row in touched) >= least - slack, name
        assert sum(row[name] for row in inside) <= facts["at_most"][name] + slack, name
    for name in facts["planted"]:
        assert facts["at_least"][name] >= PLANTED, name
    assert sum(row["cpu_user_ns"] + row["cpu_system_ns"] for row in touched) >= 0.8 * facts["computed_ns"]
    if "disk_writes" in facts["planted"]:
        assert sum(row["disk_write_bytes"] for row in touched) >= PLANTED * 4096

    before = [row for row in rows if row["ts_ns"] <= start][-1]
    held = next(row for row in rows if facts["made_ns"] <= row["ts_ns"] <= facts["told_ns"])
    more = held["tcp_sockets"] - before["tcp_sockets"]
    assert abs(more - facts["sockets6"]) < facts["sockets6"] // 2  # what else opens and closes meanwhile is much less
    assert held["open_files"] >= before["open_files"] + 400
    for name, (least, most) in facts["between"].items():
        room = 0 if name in FIXED else ROOM.get(name, 64 * MIB)
        assert least - room <= held[name] <= most + room, name
