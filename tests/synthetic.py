"""A node that never was: Arrow tables as the probes would fill them, with truths that tests can count.

One cron script starts a shell with dd and bzip2 behind it, 18 times; beside it, `jobs` small ones. With hostile=True
names and arguments are what an attacker would choose.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from santabpf.probes import all_probes, get_probe
from santabpf.recording import Writer
from santabpf.tables import frame_tables, table_schema

S = 1_000_000_000
MS = 1_000_000
START = 1_777_636_800 * S  # 2026-05-01 12:00:00 UTC
SECONDS = 30
WINDOW = (START, START + SECONDS * S)
ROUNDS = 18  # of the script: bash, dd, bzip2 each
HOSTILE = [
    "<script>alert(1)</script>", "<a href=x>", "\"quo'te\"", "new\nline", "\x1b[31mred", "caf\\xff\\xfe",
    "sixteen_bytes_xx", "</script>", "$x^2$", "%{x}", "`tick`", "\u202egnp.exe", "[a](http://b)", "{{ 7 * 7 }}",
]


class Node:
    """Collects rows; run() adds a whole life."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("fork", "exec", "exit", "processes")}
        self.starts: dict[int, int] = {}
        self.next_tgid = 1000

    def lived_before(self, tgid: int, ptgid: int | None, comm: str, argv: list[str]) -> None:
        self.starts[tgid] = tgid * 10 * MS
        self.rows["processes"].append({
            "ts_ns": START, "start_ns": self.starts[tgid], "tgid": tgid, "ptgid": ptgid, "comm": comm, "argv": argv,
            "is_kernel": not argv, "node": "node-1",
        })

    def run(self, parent: int, pcomm: str, argv: list[str], at: int, life: int, cpu: int, *, code: int = 0,
            signal: int = 0) -> int:
        self.next_tgid += 1
        tgid, comm = self.next_tgid, (argv[0].rsplit("/", 1)[-1] if argv[0][0] == "/" else argv[0])[:16]
        self.starts[tgid] = start = at // (10 * MS) * (10 * MS)
        who = {"start_ns": start, "pstart_ns": self.starts[parent], "tgid": tgid, "ptgid": parent, "node": "node-1"}
        self.rows["fork"].append({"ts_ns": at, "comm": pcomm, **who})
        self.rows["exec"].append({"ts_ns": at + MS // 4, "comm": comm, "pcomm": pcomm, "argv": argv, **who})
        if at + life < WINDOW[1]:
            self.rows["exit"].append({
                "ts_ns": at + life, "lifetime_ns": life, "cpu_ns": cpu, "code": code, "signal": signal, "comm": comm,
                "pcomm": pcomm, **who,
            })
        return tgid


def tables(jobs: int = 400, *, hostile: bool = False, seed: int = 1) -> dict[str, pa.Table]:
    """fork, exec, exit, processes, runq_hist, signals, alarms, and the tables about the recording itself."""
    rng, node = random.Random(seed), Node()
    node.lived_before(1, None, "systemd", ["/sbin/init"])
    node.lived_before(200, 1, "cron", ["/usr/sbin/cron", "-f"])
    node.lived_before(310, 1, "apache2", ["apache2", "-k", "start"])
    for number in range(40):
        node.lived_before(2 + number, 1, f"kworker/{number}", [])
    script = node.run(200, "cron", ["/opt/jobs/backup.sh"], START + 4 * S, 19 * S, 200 * MS)
    for number in range(ROUNDS):
        at = START + 5 * S + number * 950 * MS
        line = ["bash", "-c", "dd if=/dev/urandom | bzip2 > /dev/null"]
        shell = node.run(script, "backup.sh", line, at, 900 * MS, 4 * MS)
        node.run(shell, "bash", ["dd", "if=/dev/urandom"], at + 2 * MS, 850 * MS, 180 * MS)
        node.run(shell, "bash", ["bzip2"], at + 3 * MS, 880 * MS, 620 * MS, code=int(number % 6 == 5))
    for number in range(jobs):
        name = HOSTILE[number % len(HOSTILE)] if hostile else ("sh", "grep", "sed", "cat", "ps")[number % 5]
        node.run(310 if number % 3 else 200, "apache2" if number % 3 else "cron",
                 [name, HOSTILE[(number * 5) % len(HOSTILE)] if hostile else "file.txt"],
                 START + int(rng.random() * (SECONDS - 2) * S), MS // 2 + int(rng.expovariate(1 / 30) * MS),
                 int(rng.expovariate(1 / 5) * MS), signal=9 * int(number % 29 == 0))
    made = {name: pa.Table.from_pylist(sorted(rows, key=lambda row: row["ts_ns"])) for name, rows in node.rows.items()}
    return made | {name: pa.Table.from_pylist(rows) for name, rows in _seconds(rng, hostile).items()}


def _seconds(rng: random.Random, hostile: bool) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("runq_hist", "signals", "loss", "coverage", "receipt", "gaps")}
    for second in range(SECONDS):
        hot, end = 5 <= second <= 22, START + (second + 1) * S
        for power in range(9, 27):
            waits = int(1200 * math.exp(-(((power - 12) / 2.2) ** 2)) * (0.8 + 0.4 * rng.random()))
            waits += int(900 * math.exp(-(((power - 21) / 2.6) ** 2))) if hot else 0
            if waits:
                rows["runq_hist"].append({"ts_ns": end, "span_ns": S, "wait_ns": 1 << power, "waits": waits,
                                          "wait_sum_ns": waits << power, "node": "node-1"})
        signal = {"scenario": "short_lived_jobs", "second": START + second * S, "node": "node-1"}
        rows["signals"].append({**signal, "signal": "hidden_cpu", "label": "",
                                "value": 0.42 + 0.1 * rng.random() if hot else 0.02 * rng.random()})
        for label, base in ((HOSTILE[0] if hostile else "cron", 21), ("apache2", 3)):
            rows["signals"].append({**signal, "signal": "starts", "label": label,
                                    "value": float((base if hot else 2) + second % 3)})
        rows["coverage"].append({"ts_ns": end, "span_ns": S, "probe": "exec", "table": "exec", "rows": 20, "late": 0})
        rows["receipt"] += [
            {"ts_ns": end, "span_ns": S, "part": "elf", "user_ns": 3 * MS, "system_ns": 2 * MS,
             "private_bytes": 6 << 20, "sent_bytes": 40_000, "runs": None, "run_ns": None},
            {"ts_ns": end, "span_ns": S, "part": "program:exec/on_exec", "user_ns": None, "system_ns": None,
             "private_bytes": None, "sent_bytes": None, "runs": 20, "run_ns": 90_000},
        ]
    rows["loss"].append({"ts_ns": START + 28 * S, "span_ns": S, "table": "exec", "reserve_failed": 23, "map_full": 0,
                         "prog_missed": None, "buffer_dropped": 0})
    rows["gaps"].append({"ts_ns": START + 20 * S, "end_ns": START + 21 * S, "table": "exec", "reason": "bad_frame",
                         "detail": "a frame was cut"})
    alarm = {"scenario": "short_lived_jobs", "alarm": "hidden_cpu", "node": "node-1", "label": ""}
    rows["alarms"] = [{**alarm, "state": "warn", "from_ns": START + 6 * S, "to_ns": START + 8 * S, "peak": 0.3},
                      {**alarm, "state": "crit", "from_ns": START + 8 * S, "to_ns": None, "peak": 0.51}]
    return rows


def record(
    path: Path, jobs: int = 400, *, hostile: bool = False, without: Sequence[str] = (),
    more: Mapping[str, pa.Table] | None = None,
) -> Path:
    """A recording of this node: all columns of every table, null where the rows above, and `more`, say nothing."""
    made = tables(jobs, hostile=hostile) | dict(more or {})
    probes = ["exec", "exit", "fork", "processes", "process_cpu", "metrics", "runq"]
    probes += [name for name in more or {} if name in all_probes()]
    info = {
        "nodes": {"node-1": {"kernel": "6.18", "machine": "x86_64", "cpus": 2, "clock_tick_hz": 100, "page_bytes": 4096,
                             "memory_bytes": 4 << 30, "boot_id": "0" * 32, "cgroup_version": 2}},
        "probes": {name: {"params": {}, "state": "on", "why": None} for name in probes if name not in without},
        "scenarios": ["short_lived_jobs"], "created_ns": START,
    }
    made["metrics"], made["process_cpu"] = _living(made["exit"])
    made.setdefault("clock", pa.table(
        {"ts_ns": [START], "against": ["node"], "offset_ns": [1], "error_ns": [1500], "epoch": [0]}))
    watched = [(name, probe) for probe in info["probes"] for name in (t.name for t in get_probe(probe).tables)]
    made["coverage"] = pa.Table.from_pylist([
        {"ts_ns": START + (second + 1) * S, "span_ns": S, "probe": probe, "table": name, "late": 0,
         "rows": _count(made.get(name), second)}
        for second in range(SECONDS) for name, probe in watched])
    if hostile:
        made["gaps"] = made["gaps"].set_column(4, "detail", pa.array([" ".join(HOSTILE)]))
    named = [name for name in more or {} if name in frame_tables()]
    declared = [name for name, _ in watched] + named
    with Writer(path, info=info, tables=declared) as writer:
        for name in [*declared, "loss", "gaps", "clock", "receipt", "coverage"]:
            if name in made:
                for batch in _whole(name, made[name]).to_batches():
                    writer.append("node-1", name, batch)
    return path


def nothing_happened(path: Path, probes: Sequence[str] = (), seconds: int = 0) -> Path:
    """A node that was watched by these probes for so long, and of which no row came but coverage."""
    info = {"nodes": {"node-1": {"cpus": 2}} if probes else {}, "created_ns": START,
            "probes": {name: {"params": {}, "state": "on", "why": None} for name in probes}}
    rows = [{"ts_ns": START + (second + 1) * S, "span_ns": S, "probe": probe, "table": table.name, "rows": 0, "late": 0}
            for second in range(seconds) for probe in probes for table in get_probe(probe).tables]
    with Writer(path, info=info) as writer:
        for batch in _whole("coverage", pa.Table.from_pylist(rows)).to_batches() if rows else ():
            writer.append("node-1", "coverage", batch)
    return path


def _count(table: pa.Table | None, second: int) -> int:
    if table is None or table.num_rows == 0:
        return 0
    return sum(1 for ts in table["ts_ns"].to_pylist() if START + second * S < ts <= START + (second + 1) * S)


def _living(exits: pa.Table) -> tuple[pa.Table, pa.Table]:
    """metrics that add up with the exits, and a redis that is busy beside them."""
    metrics, living = [], []
    ends = list(zip(exits["ts_ns"].to_pylist(), exits["cpu_ns"].to_pylist(), strict=True))
    for second in range(SECONDS):
        start = START + second * S
        busy = 120 * MS + sum(cpu for ts, cpu in ends if start <= ts < start + S)
        end = {"ts_ns": start + S, "span_ns": S}
        row = dict.fromkeys((name for name in table_schema("metrics").names if name.startswith("cpu_")), 0)
        metrics.append({**row, **end, "cpu_user_ns": busy, "cpu_idle_ns": max(0, 2 * S - busy)})
        living.append({**end, "start_ns": 3000 * MS, "tgid": 300, "ptgid": 1, "user_ns": 80 * MS, "system_ns": 40 * MS,
                       "rss_bytes": 9 << 20, "threads": 4, "comm": "redis-server"})
    return pa.Table.from_pylist(metrics), pa.Table.from_pylist(living)


def _whole(name: str, table: pa.Table) -> pa.Table:
    """All declared columns in their order; what is not there is null, or what stands in every row of such a node."""
    schema = table_schema(name).arrow
    usual = {"uid": 0, "cgroup": "system.slice/cron.service", "argv_truncated": False, "core_dumped": False,
             "threads": 1, "argv_bytes": 10, "filename": "", "is_kernel": False}
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names
        else pa.array([usual.get(field.name)] * table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema).combine_chunks()
