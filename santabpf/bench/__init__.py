"""What SantaBPF costs and how fast it is, measured on this machine and set against its goals.

    recorders.py  the elf beside other recorders   comparators.py, bcc_callback.py  those others
    left.py       frames to Parquet, on one core   elves.py, sshd.py                an elf, and a way to it
    right.py      replay and report                grown.py                         larger recordings out of real ones
    sweeps.py     settings of alarms
    start.py      how long it takes to begin       figures.py                       figures, goals, tables
    probe_costs.py  what each probe costs          workloads.py                     loads that hit them hard
    flames.py     drawing a flame graph             looking.py, crowded.py                      the workbench
    live.py       a live panel
    cost.py, load.py  what processes took, and the load that is recorded

In: nothing. Out: a table, and docs/benchmarks.md. Never: leaves a process or a file behind; names the machine.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordingError, SantaError
from ..machine import describe, why_no, why_no_bpf
from ..recording import open as open_recording
from ..scenarios import all_scenarios
from . import flames, left, live, looking, probe_costs, recorders, right, start, sweeps
from .figures import Family, Figure, to_markdown, to_text

__all__ = ["Bench", "Size", "bench"]

Say = Callable[[str], None]


class Size(NamedTuple):
    """How much is done: fewer rounds make the figures less sure, not other ones."""

    ops: int  # of the load, each time a recorder runs; two switches each
    stream_ops: int  # of the load, to be decoded
    replay_rows: int
    report_rows: int
    looked_rows: int
    live_s: int
    rounds: int
    pairs: int  # with and without a set of probes
    left_on: str  # that set
    many: str  # the set whose start is timed beside that of one probe
    swept: tuple[str, ...]  # scenarios; none: all


FULL = Size(ops=500_000, stream_ops=2_600_000, replay_rows=20_000_000, report_rows=1_000_000,
            looked_rows=10_000_000, live_s=600, rounds=5, pairs=20, left_on="default",
            many="everything", swept=())
#: Only to see that everything can be measured; its figures say little.
QUICK = Size(ops=10_000, stream_ops=20_000, replay_rows=100_000, report_rows=5_000, looked_rows=20_000, live_s=4,
             rounds=1, pairs=1, left_on="memory", many="cpu",
             swept=("slow_dns",))


@dataclass(frozen=True)
class Bench:
    """All figures of one run, where and when they were taken."""

    families: list[Family]
    machine: str
    date: str

    def to_markdown(self) -> str:
        """The text of docs/benchmarks.md."""
        return to_markdown(self.families, self.machine, self.date)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "machine": self.machine,
            "date": self.date,
            "figures": [
                {
                    "family": family.title, "figure": f.what, "unit": f.unit, "state": f.state, "note": f.note,
                    "goal": None if f.goal is None else str(f.goal), "value": f.value and f.value._asdict(),
                }
                for family in self.families for f in family.figures
            ],
            "tables": [
                {"family": family.title, "head": head, "rows": rows}
                for family in self.families for head, rows in family.tables
            ],
        }  # fmt: skip


def bench(out: Path | None = None, *, quick: bool = False, say: Say | None = None) -> Bench:
    """Measure everything that can be measured here; what can't be is shown with the reason.

    out    write this Markdown file too
    quick  only a smoke test, of half a minute
    say    told, line by line, what is being done, and each family of figures as it is ready
    """
    tell = say or (lambda line: None)
    families = []
    with tempfile.TemporaryDirectory(prefix="santabpf-bench-") as folder:
        for family in _measure(QUICK if quick else FULL, Path(folder), tell):
            families.append(family)
            tell(to_text(family))
    result = Bench(families, describe(), f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}")
    if out is not None:
        out.write_text(result.to_markdown(), encoding="utf-8")
    return result


def _measure(size: Size, folder: Path, say: Say) -> Iterator[Family]:
    few = min(3, size.rounds)
    why_not = why_no_bpf() or why_no("perf", "linux-perf")
    recorded = folder / "recording-0"
    disk: float | None = None
    decoding: list[Family]
    try:
        if why_not:
            raise SantaError(why_not)
        say("recording context switches to decode")
        left.record_stream(folder, size.stream_ops)
        family, disk = left.measure(folder, few, say)
        decoding = [family]
        yield from recorders.measure(size.ops, size.rounds, disk, say)
    except SantaError as exc:
        decoding = [_not_taken("From frames to Parquet", left.PLANNED, exc)]
        yield _not_taken("Recording every context switch", recorders.PLANNED, exc)
    yield from decoding
    try:
        if why_not:
            raise SantaError(why_not)
        yield probe_costs.measure_set(size.left_on, size.pairs, say)
    except SantaError as exc:
        yield _not_taken(f"Leaving the {size.left_on} set on", probe_costs.PLANNED, exc)
    try:
        if why_not:
            raise SantaError(why_not)
        yield start.measure_first_event(few, size.many)
    except SantaError as exc:
        yield _not_taken("From the start to the first event", start.PLANNED, exc)
    try:
        if not recorded.exists():
            raise SantaError("no context switches were recorded")
        yield right.measure_replay(folder, recorded, size.replay_rows, few, say)
    except SantaError as exc:
        yield _not_taken("Replay", right.PLANNED_REPLAY, exc)
    try:
        say("recording short-lived jobs to report on")
        jobs = open_recording(right.REPORTED) if why_not else right.record_jobs(folder / "few", 3 if few == 1 else 8)
        yield right.measure_report(folder, jobs, size.report_rows, few, say)
    except (SantaError, RecordingError) as exc:
        yield _not_taken("A report", right.PLANNED_REPORT, exc)
    yield sweeps.measure(size.swept or all_scenarios(), say)
    try:
        say("drawing a flame graph")
        yield flames.measure(folder, few)
    except SantaError as exc:
        yield _not_taken("A flame graph", flames.PLANNED, exc)
    try:
        say("making a large recording, and looking at it in the workbench")
        yield looking.measure(folder, size.looked_rows, few)
    except SantaError as exc:
        yield _not_taken("The workbench", looking.PLANNED, exc)
    try:
        if why_not:
            raise SantaError(why_not)
        yield live.measure(folder, size.live_s, say)
    except SantaError as exc:
        yield _not_taken("A live panel", live.PLANNED, exc)
    say("import and --help")
    yield start.measure_package(size.rounds)


def _not_taken(title: str, planned: list[Figure], why: Exception) -> Family:
    return Family(title, figures=[replace(figure, note=str(why)) for figure in planned])
