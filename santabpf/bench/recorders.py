"""What it costs to record every context switch: the elf, local and over SSH, beside other ways to do it.

In rounds: each round runs the load with each recorder, in an order that moves on by one from round to round, and for a
moment with none before and after each. Ratios are to the mean of these two, since what else a machine does changes
from minute to minute.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..errors import SantaError
from ..units import MIB, MS
from .comparators import Comparator, Running, comparators
from .cost import Cpu, cpu_of, private_bytes, wait_idle
from .elves import Elf, Told
from .figures import Family, Figure, Goal, Spread, number
from .load import SWITCHES_PER_OP, switch_to_and_fro
from .sshd import Sshd, why_no_sshd

#: A lone elf also owns the pages of /usr/bin/python3; beside another Python they are shared.
SMAPS = "by smaps; with the text of python3 where no other Python runs that shares it"

Say = Callable[[str], None]
PLAIN = 4  # the load without a recorder is so much shorter
DRAIN_S = 3.0  # after the load: what a recorder still has in its buffers
SETTLE_S = 0.3
TICK_S = 1.2  # the elf tells its own cost once a second
ELF_MEMORY = Goal(10.0)
PLANNED = [
    Figure("CPU an event", "ns", None),
    Figure("private memory without its rings", "MiB", None, ELF_MEMORY),
]
_HEAD = [
    "recorder", "events a round", "lost", "user ns/event", "system ns/event", "CPU ns/event", "sshd ns/event",
    "BPF ns/event", "load slowed by ×", "bytes/event on disk",
]  # fmt: skip
_WORDS = (
    "Every context switch is recorded while two processes on one CPU pass a byte to and fro: {switches} switches a "
    "round, {rounds} rounds in one run, {us} µs an operation of two switches with no recorder. CPU is that of the "
    "recorder's process as seen from outside, from when it has begun to when it has caught up, for each event that it "
    "got; the two slow ones are given a quarter of the load. BPF's own time is the kernel's count and falls on the "
    "load. Shown are the medians (and least … most) of the rounds. All have 16 MiB of buffer. The BCC callback and "
    "bpftrace leave out their own switches. What Santa does with the elf's bytes is measured below."
)


class Run(NamedTuple):
    """One recorder in one round."""

    us_per_op: float
    cpu: Cpu
    events: int
    lost: int
    disk_bytes: int | None = None
    transport: Cpu | None = None
    told: Told | None = None
    private: int = 0
    idle_ns: int = 0  # CPU in TICK_S without the load


Runs = list[tuple[Run, float]]  # each with how much slower the load was than without


class Recorder(NamedTuple):
    """A way to record, and how to run it once."""

    name: str
    why_not: str
    run: Callable[[int], Run]


def measure(ops: int, rounds: int, parquet_bytes: float | None, say: Say) -> list[Family]:
    """The whole comparison.

    ops            operations of the load each time, of two switches each
    parquet_bytes  what an event takes in a recording, if that is known
    """
    with ExitStack() as stack:
        recorders = list(_recorders(stack))
        usable = [r for r in recorders if not r.why_not]
        plain: list[float] = []
        runs: dict[str, list[tuple[Run, float]]] = {r.name: [] for r in usable}
        failed: dict[str, str] = {}
        for turn in range(rounds):
            plain.append(switch_to_and_fro(ops // PLAIN))
            for recorder in usable[turn % len(usable) :] + usable[: turn % len(usable)]:
                say(f"round {turn + 1} of {rounds}: {recorder.name}")
                try:
                    run = recorder.run(ops)
                except SantaError as exc:
                    failed[recorder.name] = str(exc)
                    continue
                plain.append(switch_to_and_fro(ops // PLAIN))
                runs[recorder.name].append((run, 2 * run.us_per_op / (plain[-2] + plain[-1])))
    why_not = {r.name: r.why_not for r in recorders if r.why_not} | failed
    return [_table(runs, plain, why_not, ops, rounds, parquet_bytes), _elf_alone(runs)]


def _recorders(stack: ExitStack) -> Iterator[Recorder]:
    yield Recorder("elf, local", "", lambda ops: _run_elf(ops, Elf(["switches"])))
    if why_not := why_no_sshd():
        yield Recorder("elf, over SSH", why_not, lambda ops: _run_elf(ops, Elf(["switches"])))
    else:
        sshd = stack.enter_context(Sshd(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="santabpf-")))))
        yield Recorder(
            "elf, over SSH", "", lambda ops: _run_elf(ops, Elf(["switches"], sshd.node, sshd.pid, **sshd.options))
        )
    for comparator in comparators():
        yield Recorder(comparator.name, comparator.why_not, partial(_run_other, comparator))


def _run_elf(ops: int, elf: Elf) -> Run:
    with elf:
        pids, carriers = elf.pids, elf.transport_pids
        time.sleep(SETTLE_S)
        idle = cpu_of(pids)
        time.sleep(TICK_S)
        idle_ns = (cpu_of(pids) - idle).total_ns
        cpu, transport = cpu_of(pids), cpu_of(carriers)
        us_per_op = switch_to_and_fro(ops)
        time.sleep(TICK_S)
        cpu, transport = cpu_of(pids) - cpu, cpu_of(carriers) - transport
        private = sum(private_bytes(pid) for pid in pids)
        elf.stop()
    told = elf.told("switches")
    carried = transport if carriers else None
    return Run(us_per_op, cpu, told.events, told.lost, None, carried, told, private, idle_ns)


def _run_other(comparator: Comparator, ops: int) -> Run:
    with tempfile.TemporaryDirectory(prefix="santabpf-") as folder, Running(comparator, Path(folder)) as running:
        cpu = cpu_of(running.pids)
        us_per_op = switch_to_and_fro(round(ops * comparator.share))
        wait_idle(running.pids, DRAIN_S)
        drained = cpu_of(running.pids)
        ended = running.stop()
        cpu = (ended if comparator.at_its_end else drained) - cpu
        counted = running.counted()
    return Run(us_per_op, cpu, counted.events, counted.lost, counted.disk_bytes)


def _table(
    runs: dict[str, Runs], plain: list[float], why_not: dict[str, str], ops: int, rounds: int, disk: float | None
) -> Family:
    """One line a recorder."""
    rows = [["none", "", "", "", "", "", "", "", "1", ""]]
    for name, took in runs.items():
        if took:
            rows.append([name, *_cells(took, disk)])
    rows += [[name, "not taken: " + why, *[""] * (len(_HEAD) - 2)] for name, why in why_not.items()]
    words = _WORDS.format(
        switches=number(ops * SWITCHES_PER_OP), rounds=rounds, us=_spread(plain) if plain else "?"
    )
    return Family("Recording every context switch", words, [], [(_HEAD, rows)])


def _cells(took: Runs, disk: float | None) -> list[str]:
    runs = [run for run, _ in took if run.events]
    if not runs:
        return ["0", *[""] * (len(_HEAD) - 2)]
    carriers = [run.transport.total_ns / run.events for run in runs if run.transport]
    programs = [run.told.program_ns / run.told.program_runs for run in runs if run.told and run.told.program_runs]
    on_disk = [run.disk_bytes / run.events for run in runs if run.disk_bytes is not None]
    return [
        number(Spread.of([run.events for run in runs]).median),
        number(Spread.of([run.lost for run in runs]).median),
        number(Spread.of([run.cpu.user_ns / run.events for run in runs]).median),
        number(Spread.of([run.cpu.system_ns / run.events for run in runs]).median),
        _spread([run.cpu.total_ns / run.events for run in runs]),
        _spread(carriers) if carriers else "",
        _spread(programs) if programs else "",
        _spread([slower for _, slower in took]),
        number(Spread.of(on_disk).median) if on_disk else "" if disk is None else number(disk),
    ]


def _spread(values: list[float]) -> str:
    spread = Spread.of(values)
    return f"{number(spread.median)} ({number(spread.least)} … {number(spread.most)})"


def _elf_alone(runs: dict[str, Runs]) -> Family:
    """What the elf says of itself beside what is seen from outside."""
    family = Family("The elf by itself")
    for name, took in runs.items():
        told = [(run, run.told) for run, _ in took if run.told and run.told.events]
        if not told:
            continue
        inside, outside = [t.private_bytes / MIB for _, t in told], [run.private / MIB for run, _ in told]
        own_cpu, sent = [sum(t.parts["elf"]) / t.events for _, t in told], [t.sent_bytes / t.events for _, t in told]
        idle = [run.idle_ns / MS / TICK_S for run, _ in told]
        family.figures += [
            Figure(f"{name}: private memory without its rings", "MiB", Spread.of(outside), ELF_MEMORY, SMAPS),
            Figure(f"{name}: the same", "MiB", Spread.of(inside), None, "by its own receipt"),
            Figure(f"{name}: its CPU an event", "ns", Spread.of(own_cpu), None, "by its own receipt"),
            Figure(f"{name}: its CPU without the load", "ms/s", Spread.of(idle)),
            Figure(f"{name}: bytes sent an event", "B", Spread.of(sent)),
        ]
        carried = [sum(t.parts["transport"]) / t.events for _, t in told if "transport" in t.parts]
        if carried:
            family.figures.append(
                Figure(f"{name}: sshd's CPU an event", "ns", Spread.of(carried), None, "by its own receipt")
            )
    if not family.figures:
        family.figures += [replace(figure, note="no elf was measured") for figure in PLANNED]
    return family
