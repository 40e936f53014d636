"""A made-up node, for tests of replay and verdicts.

Processes are started and end, seconds pass, and what a recorder would have seen is written.

In: calls such as world.run(...). Out: a real recording, by the recording room's Writer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording
from santabpf.tables import frame_tables, own_tables, table_schema

S = 1_000_000_000
MS = 1_000_000
TICK = 10 * MS
START = 1_800_000_000 * S  # 2027-01-15 08:00:00 UTC
BOOTED = START - 1000 * S
PROBES = ("exec", "exit", "fork", "processes", "process_cpu", "metrics")


class Process(NamedTuple):
    """Somebody who can start others."""

    tgid: int
    start_ns: int
    comm: str


class World:
    """One node with 2 CPUs. Times `at` are in seconds since START; fractions are exact to the millisecond."""

    def __init__(self, seconds: int, node: str = "node-1", cpus: int = 2, probes: tuple[str, ...] = PROBES) -> None:
        self.seconds, self.node, self.cpus, self.probes = seconds, node, cpus, probes
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.busy: dict[int, int] = defaultdict(int)
        self.partial: dict[int, int] = {}
        self.unwatched: set[tuple[str, int]] = set()
        self._next = 5000
        self.init = self.lives("systemd", tgid=1, argv=["/sbin/init"], cgroup="init.scope")

    # ------------------------------------------------------------------------------------------------ processes

    def lives(
        self,
        comm: str,
        *,
        tgid: int | None = None,
        parent: Process | None = None,
        argv: list[str] | None = None,
        cgroup: str = "system.slice/x.service",
    ) -> Process:
        """A process older than the recording."""
        process = Process(tgid or self._pid(), 10 * S + (tgid or self._next) * TICK, comm)
        self.rows["processes"].append(
            {
                "ts_ns": START,
                "start_ns": process.start_ns,
                "tgid": process.tgid,
                "ptgid": parent.tgid if parent else None,
                "uid": 0,
                "is_kernel": False,
                "threads": 1,
                "cpu_ns": 0,
                "rss_bytes": 4096,
                "comm": comm,
                "argv": argv or [comm],
                "argv_truncated": False,
                "cgroup": cgroup,
            }
        )
        return process

    def run(
        self,
        parent: Process,
        argv: list[str] | None,
        at: float,
        life_ms: int,
        cpu_ms: int,
        *,
        code: int = 0,
        signal: int = 0,
        comm: str | None = None,
        ends: bool = True,
        cgroup: str = "system.slice/x.service",
    ) -> Process:
        """Start a program (argv None: a fork that runs no other program), and see it end."""
        begin = START + round(at * 1000) * MS
        name = comm or (argv[0].rsplit("/", 1)[-1][:15] if argv else parent.comm)
        start = (begin - BOOTED) // TICK * TICK
        process = Process(self._pid(), start, name)
        self.rows["fork"].append(
            {
                "ts_ns": begin,
                "start_ns": start,
                "pstart_ns": parent.start_ns,
                "tgid": process.tgid,
                "ptgid": parent.tgid,
                "comm": parent.comm,
                "uid": 0,
                "ptid": parent.tgid,
            }
        )
        if argv is not None:
            self.rows["exec"].append(
                {
                    "ts_ns": begin + MS // 2,
                    "start_ns": start,
                    "pstart_ns": parent.start_ns,
                    "cgroup_id": 7,
                    "tgid": process.tgid,
                    "ptgid": parent.tgid,
                    "uid": 0,
                    "argv_bytes": sum(len(a) + 1 for a in argv),
                    "comm": name,
                    "pcomm": parent.comm,
                    "filename": argv[0],
                    "cgroup": cgroup,
                    "argv": argv,
                    "argv_truncated": False,
                }
            )
        if ends:
            end = begin + life_ms * MS
            self.rows["exit"].append(
                {
                    "ts_ns": end,
                    "start_ns": start,
                    "pstart_ns": parent.start_ns,
                    "lifetime_ns": life_ms * MS,
                    "cpu_ns": cpu_ms * MS,
                    "cgroup_id": 7,
                    "tgid": process.tgid,
                    "ptgid": parent.tgid,
                    "uid": 0,
                    "code": code,
                    "signal": signal,
                    "core_dumped": False,
                    "comm": name,
                    "pcomm": parent.comm,
                    "cgroup": cgroup,
                }
            )
            self.busy[(end - START) // S] += cpu_ms * MS
        return process

    def uses_cpu(self, process: Process, first: int, last: int, cpu_ms: int) -> None:
        """A living process uses so much CPU in each second of [first, last)."""
        for second in range(first, last):
            self.rows["process_cpu"].append(
                {
                    "ts_ns": START + (second + 1) * S,
                    "span_ns": S,
                    "start_ns": process.start_ns,
                    "tgid": process.tgid,
                    "ptgid": 1,
                    "user_ns": cpu_ms * MS,
                    "system_ns": 0,
                    "rss_bytes": 4096,
                    "threads": 1,
                    "comm": process.comm,
                }
            )
            self.busy[second] += cpu_ms * MS

    def _pid(self) -> int:
        self._next += 1
        return self._next

    # ---------------------------------------------------------------------------------------- the recording itself

    def loses(self, table: str, second: int, rows: int, **kinds: int | None) -> None:
        """So many rows of a table are lost in a second."""
        self.rows["loss"].append(
            {
                "ts_ns": START + (second + 1) * S,
                "span_ns": S,
                "table": table,
                **({"reserve_failed": rows, "map_full": 0, "prog_missed": 0, "buffer_dropped": 0} | kinds),
            }
        )

    def is_blind(self, first: int, last: int, *tables: str) -> None:
        """Nobody watched these tables (all, if none are named) in [first, last)."""
        for second in range(first, last):
            self.unwatched |= {(table, second) for table in tables or self.tables}

    @property
    def tables(self) -> list[str]:
        """The tables of the probes."""
        from santabpf.probes import get_probe

        return [t.name for p in self.probes for t in get_probe(p).tables]

    def _own(self) -> None:
        for second in range(self.seconds):
            span = self.partial.get(second, S)
            self.rows["metrics"].append(
                {"ts_ns": START + (second + 1) * S, "span_ns": span, "cpu_user_ns": self.busy[second]}
                | dict.fromkeys(["cpu_nice_ns", "cpu_system_ns", "cpu_irq_ns", "cpu_softirq_ns", "cpu_steal_ns"], 0)
            )
            for table in self.tables:
                if (table, second) not in self.unwatched:
                    self.rows["coverage"].append(
                        {
                            "ts_ns": START + (second + 1) * S,
                            "span_ns": span,
                            "probe": table,
                            "table": table,
                            "rows": 0,
                            "late": 0,
                        }
                    )

    def batches(self) -> dict[str, pa.RecordBatch]:
        """All rows, in order of time."""
        if not self.rows["coverage"]:
            self._own()
        out = {}
        for table, rows in self.rows.items():
            schema = table_schema(table).arrow
            rows = sorted(rows, key=lambda row: row["ts_ns"])
            out[table] = pa.RecordBatch.from_pylist([{n: r.get(n) for n in schema.names} for r in rows], schema=schema)
        return out

    def info(self) -> dict[str, Any]:
        """What a recording says about itself."""
        facts = {
            "kernel": "6.18",
            "machine": "x86_64",
            "cpus": self.cpus,
            "clock_tick_hz": 100,
            "page_bytes": 4096,
            "memory_bytes": 8 << 30,
            "boot_id": "b",
            "cgroup_version": 2,
        }
        return {
            "created_ns": START,
            "nodes": {self.node: facts},
            "scenarios": ["short_lived_jobs"],
            "probes": {p: {"params": {}, "state": "on", "why": None} for p in self.probes},
        }

    def grow(self, path: Path) -> Iterator[Path]:
        """Write it second by second, as watch does; after each it can be read."""
        batches = self.batches()
        with Writer(path, info=self.info(), segment_s=1e9) as writer:
            for second in range(self.seconds):
                for table, rows in batches.items():
                    late = 1 if "span_ns" in rows.schema.names else 0
                    ends = [ts - START - late for ts in rows["ts_ns"].to_pylist()]
                    chosen = [at for at, ns in enumerate(ends) if ns // S == second or (second == 0 and ns < 0)]
                    if chosen:
                        writer.append(self.node, table, rows.take(chosen))
                writer.flush()
                yield path

    def write(self, path: Path, **info: Any) -> Recording:
        """Write it in segments of 5 seconds."""
        batches = self.batches()
        tables = [*self.tables, *(table for table in frame_tables() if table in batches)]
        with Writer(path, info=self.info() | info, tables=tables, segment_s=1e9) as writer:
            for first in range(0, self.seconds, 5):
                for table, batch in batches.items():
                    if table not in {*tables, *own_tables()}:
                        continue
                    late = batch["ts_ns"].to_numpy() - START
                    end = 5 * S + first * S + (1 if "span_ns" in batch.schema.names else 0)
                    begin = first * S + (1 if "span_ns" in batch.schema.names else 0) if first else -1
                    chosen = (late >= begin) & (late < (end if first + 5 < self.seconds else 1 << 62))
                    writer.append(self.node, table, batch.filter(pa.array(chosen)))
                writer.flush()
        return open_recording(path)
