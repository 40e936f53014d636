"""The right wing: signals over many rows, and a report from a million events.

In: recordings. Out: figures. Never: a node.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ..errors import SantaError
from ..recording import Recording
from ..recording import open as open_recording
from ..replay import Evaluator
from ..scenarios import load_scenario
from .figures import Family, Figure, Goal, Spread
from .grown import grow
from .recorders import Say

REPLAY, REPORT = Goal(10_000_000, at_least=True), Goal(6.0)
PLANNED_REPLAY = [Figure("signals of a recording", "events/s", None, REPLAY)]
PLANNED_REPORT = [Figure("santabpf report", "s", None, REPORT)]
#: Of the real scenario whose recording comes with SantaBPF.
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


def measure_report(folder: Path, source: Recording, rows: int, rounds: int, say: Say) -> Family:
    """The whole command, from a recording of so many rows in the tables that the scenario reads."""
    events = sum(source[t].rows for t in source.tables if t in ("exec", "exit", "fork", "runq"))
    say("making a recording to report from")
    rows = grow(source, folder / "jobs", max(1, -(-rows // max(1, events))))
    say("report")
    whole: list[float] = []
    for number in range(rounds):
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "santabpf", "report", str(folder / "jobs"), "-o", str(folder / f"{number}.html")],
            capture_output=True, text=True,
        )  # fmt: skip
        whole.append(time.perf_counter() - before)
        if done.returncode not in (0, 3, 4):
            raise SantaError(f"santabpf report failed: {done.stderr.strip()[-300:]}")
    return Family(f"A report from {rows:,} events", figures=[Figure("santabpf report", "s", Spread.of(whole), REPORT)])
