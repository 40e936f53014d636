"""The right wing: signals over many rows, and a report from a million events.

In: recordings. Out: figures. Never: a node.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import SantaError
from ..probes import table_probe
from ..record import record
from ..recording import Recording
from ..recording import open as open_recording
from ..replay import Evaluator
from ..scenarios import load_scenario
from ..units import format_bytes, format_duration
from .figures import Family, Figure, Goal, Spread
from .grown import grow
from .recorders import Say

REPLAY, REPORT = Goal(10_000_000, at_least=True), Goal(6.0)
ENOUGH_S = 25.0  # of reports: after so long, no further round is begun
PLANNED_REPLAY = [Figure("signals of a recording", "events/s", None, REPLAY)]
PLANNED_REPORT = [Figure("a report, whole", "s", None, REPORT)]
_REPORT = "import sys; from santabpf.bench.right import report_timed; report_timed(sys.argv[1], sys.argv[2])"
#: The steps of a report, by the names that the room calls them by.
_PARTS = {
    "the notebook's parameters (imports papermill)": "check_parameters",
    "replay": "replay",
    "running the notebook": "execute",
    "making the page": "to_html",
}
#: The scenario that is reported on; the recording of that name comes with SantaBPF.
REPORTED = "short_lived_jobs"
#: One signal, whose value needs three columns of every row.
SCENARIO = """\
name: robbed
title: Threads lose the CPU while they could go on
summary: For the benchmark only.
needs: [switches]
min_seconds: 1
signals:
  robbed:
    unit: count
    description: Switches away from a thread that could have gone on.
    absent: 0
    sql: >
      SELECT second, node, count(*) FILTER (prev_state = 0 AND prev_tid <> 0) AS value FROM switches GROUP BY ALL
alarms:
  many:
    title: Many
    signal: robbed
    lookup: avg
    over: 3s
    warn: "> 1000000000"
evidence:
  all: {title: All, sql: SELECT count(*) AS rows FROM switches}
verdict:
  fired: [{text: Many., evidence: all}]
  quiet: [{text: Few., evidence: all}]
  culprit: {evidence: all}
  impact: [{text: None., evidence: all}]
  next_steps: [{text: None., evidence: all}]
"""


def measure_replay(folder: Path, source: Path, rows: int, rounds: int, say: Say) -> Family:
    """A signal per second over so many context switches, made of those that were recorded."""
    recorded = open_recording(source)
    copies = max(1, -(-rows // recorded["switches"].rows))
    say("making a recording to replay")
    rows = grow(recorded, folder / "switches", copies, ["switches"])
    (folder / "robbed").mkdir()
    (folder / "robbed" / "scenario.yaml").write_text(SCENARIO)
    scenario = load_scenario(folder / "robbed")
    say("replay")
    speeds, seconds = [], 0
    for _ in range(rounds):
        before = time.perf_counter()
        with Evaluator(open_recording(folder / "switches"), [scenario]) as evaluator:
            evaluator.advance()
            seconds = sum(len(series.values) for track in evaluator.tracks or () for series in track.series.values())
        speeds.append(rows / (time.perf_counter() - before))
    return Family(
        "Replay",
        f"One signal for each of {seconds} seconds over {rows:,} context switches, with its alarm; the start of the "
        "process that runs the query is part of it. DuckDB has one thread.",
        [Figure("signals of a recording", "events/s", Spread.of(speeds), REPLAY)],
    )


def record_jobs(out: Path, seconds: int) -> Recording:
    """Record this machine while a shell starts one short program after another, as fast as it can."""
    shell = subprocess.Popen(
        ["timeout", "--signal=KILL", "60", "sh", "-c", "while :; do /bin/true; done"],
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        return record(scenarios=[REPORTED], duration=seconds, out=out, progress=False)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def measure_report(folder: Path, source: Recording, rows: int, rounds: int, say: Say) -> Family:
    """`santabpf report`, from a recording of so many rows in the tables that the probes fill."""
    once = sum(source[table].rows for table in source.tables if table_probe(table))
    say("making a recording to report from")
    rows = grow(source, folder / "jobs", max(1, -(-rows // max(1, once))))
    start, end = open_recording(folder / "jobs").window
    say("report")
    whole, parts = list[float](), dict[str, list[float]]()
    while len(whole) < rounds and sum(whole) < ENOUGH_S:
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _REPORT, str(folder / "jobs"), str(folder / "report.html")],
            capture_output=True, text=True,
        )  # fmt: skip
        whole.append(time.perf_counter() - before)
        if done.returncode:
            raise SantaError(f"the report failed: {done.stderr.strip()[-300:]}")
        for part, seconds in json.loads(done.stdout).items():
            parts.setdefault(part, []).append(seconds)
    parts["start of Python, and the rest"] = [
        all_of_it - sum(took[n] for took in parts.values()) for n, all_of_it in enumerate(whole)
    ]
    size = (folder / "report.html").stat().st_size
    return Family(
        "A report",
        f"From a recording of {rows:,} rows: {format_duration(end - start)} of a node on which a shell starts programs "
        f"as fast as it can, made of a few real seconds. The page has {format_bytes(size)}.",
        [Figure("a report, whole", "s", Spread.of(whole), REPORT)]
        + [Figure(part, "s", Spread.of(took)) for part, took in parts.items()],
    )


def report_timed(recording: str, out: str) -> None:
    """Make a report and print how long its parts took. Runs in a process of its own, as the command does."""
    begun, took = time.perf_counter(), dict[str, float]()
    room = importlib.import_module("santabpf.report")
    took["imports"] = time.perf_counter() - begun
    for part, name in _PARTS.items():
        setattr(room, name, _timed(getattr(room, name), part, took))
    made = room.report(open_recording(recording), out, progress=False)
    if made.error:
        raise SantaError(made.error)
    print(json.dumps(took))


def _timed(call: Callable[..., Any], part: str, took: dict[str, float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        before = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            took[part] = took.get(part, 0.0) + time.perf_counter() - before

    return timed
