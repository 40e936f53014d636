"""Once a second: the clocks, what was lost, and what all this cost.

In: descriptors of counters and programs. Out: the JSON of a TICK. All numbers grow from the instant of arming; the
compiler's memory is told once, since it is gone afterwards.
"""

from __future__ import annotations

import os
import resource
import struct
import time

from .. import wire
from . import kernel, maps, procfs
from .output import Output

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def read_clock(tries: int = 9) -> dict:
    """UTC against the monotonic clock: the reading that took the shortest, right to within error_ns."""
    best = None
    for _ in range(tries):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) // 2, real)
    assert best is not None
    return {"mono_ns": best[1], "real_ns": best[2], "error_ns": (best[0] + 1) // 2}


def private_bytes(pid: int | str = "self") -> int | None:
    """Memory that only this process has (anonymous pages), without the rings, which are the kernel's."""
    for line in (procfs.read_file(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"RssAnon:"):  # smaps_rollup says the same, but walks the rings for it: 0.7 ms
            return int(line.split()[1]) * 1024
    return None


def find_transport() -> int | None:
    """The sshd that carries this process, if any: the nearest ancestor of that name."""
    pid = os.getppid()
    while pid > 1:
        stat = procfs.read_file(f"/proc/{pid}/stat")
        if not stat:
            return None
        name, _, rest = stat.partition(b"(")[2].rpartition(b")")
        if name.startswith(b"sshd"):
            return pid
        pid = int(rest.split()[1])
    return None


class Ticker:
    """Everything that is told once a second."""

    def __init__(self, possible_cpus: int, compiler: dict) -> None:
        self._cpus = possible_cpus
        self._compiler = compiler
        self._counts: list[tuple[int, list[dict]]] = []  # santa_counts of a probe, and its tables in order
        self._procs: list[tuple[dict, procfs.Table]] = []
        self._programs: dict[str, int] = {}
        self._start: dict[str, kernel.ProgramCost] = {}
        self._transport = find_transport()
        self.timed = False  # the kernel counts runs and their time
        self.dead: list[str] = []

    def add_probe(self, counts_fd: int, tables: list) -> None:
        """A probe's own counters: three for each of its tables."""
        self._counts.append((maps.Counters(counts_fd, 3 * len(tables), self._cpus), tables))

    def add_proc(self, spec: dict, table: procfs.Table) -> None:
        """A table that is read out of /proc."""
        self._procs.append((spec, table))

    def add_program(self, name: str, fd: int) -> None:
        """A program, by the name "probe/function"."""
        self._programs[name] = kernel.Program(fd)

    def begin(self) -> None:
        """From now on things count."""
        self._start = {name: program.cost() for name, program in self._programs.items()}

    def tick(self, out: Output, selfcheck: bool, ping: tuple) -> dict:
        """The JSON of one TICK. ping: how many came, and the monotonic ns of the last."""
        loss, truth = {}, {}
        for counters, tables in self._counts:
            sums = counters.sums()
            for i, table in enumerate(tables):
                loss[table["name"]] = {
                    "reserve_failed": sums[3 * i],
                    "map_full": sums[3 * i + 1],
                    "buffer_dropped": out.dropped.get(table["id"], 0),
                }
                truth[table["name"]] = sums[3 * i + 2]
        if out.dropped.get(wire.MAPPED):
            loss["mappings"] = {"reserve_failed": 0, "map_full": 0, "buffer_dropped": out.dropped[wire.MAPPED]}
        for spec, reader in self._procs:
            dropped = out.dropped.get(spec["id"], 0)
            if reader.left_out or dropped:
                loss[spec["name"]] = {"reserve_failed": 0, "map_full": reader.left_out, "buffer_dropped": dropped}
        costs, parts = self._program_costs(), self._parts(out)
        message = dict(read_clock(), ping=ping, loss=loss, programs=costs, parts=parts, dead_probes=self.dead)
        return dict(message, truth=truth) if selfcheck else message

    def _program_costs(self) -> dict:
        out = {}
        for name, program in self._programs.items():
            (then_ns, then_runs, then_missed), (run_ns, runs, missed) = self._start[name], program.cost()
            out[name] = {
                "runs": runs - then_runs if self.timed else None,
                "run_ns": run_ns - then_ns if self.timed else None,
                "missed": None if missed is None or then_missed is None else missed - then_missed,
            }
        return out

    def _parts(self, out: Output) -> dict:
        used = resource.getrusage(resource.RUSAGE_SELF)
        parts = {
            "elf": {
                "user_ns": round(used.ru_utime * 1e9),
                "system_ns": round(used.ru_stime * 1e9),
                "private_bytes": private_bytes(),
                "sent_bytes": out.sent_bytes,
            },
            "compiler": dict(self._compiler),
        }
        self._compiler["private_bytes"] = 0
        if self._transport:
            stat = procfs.read_file(f"/proc/{self._transport}/stat")
            if stat:
                user, system = (int(t) * _TICK_NS for t in stat.rpartition(b")")[2].split()[11:13])
                parts["transport"] = {
                    "user_ns": user,
                    "system_ns": system,
                    "private_bytes": private_bytes(self._transport),
                    "sent_bytes": out.sent_bytes,
                }
        return parts


def arm(fd: int, on: bool = True) -> int:
    """Open the gate of all programs (or shut it); the monotonic ns at which it was done."""
    kernel.map_update(fd, struct.pack("<I", 0), struct.pack("<Q", int(on)))
    return time.monotonic_ns()
