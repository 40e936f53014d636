"""The time machine: one alarm replayed over a library of recordings with many settings.

In: a scenario, and recordings of drills, which know what was provoked and when. Out: for each setting what it would
have missed, what it would have raised for nothing, and how long it would have taken. Never: computes a signal twice:
each recording's signals once, their lookups once for each window, the alarm's few lines for every setting.

It leaves out losses: a verdict also asks whether lost events could turn the answer; here the alarm alone is judged.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import __version__
from .charts import sweep as chart
from .display.figure import Figure
from .display.words import Col, Paragraph, Table, Words
from .errors import BadUsage, QueryFailed, nearest
from .recording import open as open_recording
from .replay import Evaluator, Machine, format_value
from .report import outputs_to_html
from .scenarios import Alarm, Scenario, Threshold, get_scenario
from .units import SECOND, format_duration

if TYPE_CHECKING:
    from .recording import Recording

#: Times today's threshold, each about a tenth more than the one before.
FACTORS = tuple(round(10 ** (step / 10), 3) for step in range(-10, 11))
#: Where today's threshold is 0, of which there is no tenth more: so many times the smallest value of the signal.
STEPS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000)
OVER_S = (1, 2, 3, 4, 5, 6, 8, 10)
FOR_S = (0, 1, 2, 3, 4, 5)
MOST_SHOWN = 12

Why = Literal["tables", "also", "untold"]
_LEFT_OUT: dict[Why, str] = {
    "tables": "for want of a table", "also": "of drills that may raise it too",
    "untold": "without word of what was provoked, and when",
}  # fmt: skip


class Setting(NamedTuple):
    """Threshold (of warn, or of crit where there is no other), window and `for`, and what they come to.

    missed  faults that raised no alarm     false_alarms  recordings without this fault that raised one
    delay   from the onset of a fault to the alarm: median and longest, ns; None where none was raised
    """

    threshold: float
    over_s: int
    for_s: int
    is_today: bool
    missed: int
    false_alarms: int
    delay_median_ns: int | None
    delay_most_ns: int | None


@dataclass(frozen=True)
class Sweep:
    """All settings of one alarm over one library; today's and the best of them."""

    scenario: str
    alarm: str
    unit: str
    sign: str  # > or <
    faults: tuple[str, ...]  # names of the recordings in which it must fire
    others: tuple[str, ...]  # and of those in which it must not
    left_out: tuple[tuple[str, Why], ...]  # and of those that can't be judged
    settings: tuple[Setting, ...]

    def to_text(self) -> str:
        """For a terminal: today's setting, the knee, and all that nothing else beats."""
        library = f"{len(self.faults)} recordings of the fault and {len(self.others)} others"
        lines = [f"{self.scenario}, alarm {self.alarm}: {len(self.settings)} settings over {library}"]
        lines += [self.coverage, ""]
        lines.append(f"{'':<8} {'setting':<38} {'missed':>6} {'false':>6} {'typical delay':>14} {'longest':>9}")
        today, knee = self.today, self.knee
        rows = [("today", today), ("knee", knee), *(("", s) for s in self.front if s not in (today, knee))]
        for mark, s in rows[:MOST_SHOWN]:
            typical, most = _delay(s.delay_median_ns), _delay(s.delay_most_ns)
            words = self.words(s)
            lines.append(f"{mark:<8} {words:<38} {s.missed:>6} {s.false_alarms:>6} {typical:>14} {most:>9}")
        if len(rows) > MOST_SHOWN:
            lines.append(f"and {len(rows) - MOST_SHOWN} more that nothing beats")
        return "\n".join(lines)

    @property
    def coverage(self) -> str:
        """How many of the recordings it was judged on, and why not on the others."""
        judged, why = len(self.faults) + len(self.others), Counter(why for _, why in self.left_out)
        left = ", ".join(f"{why[key]} {words}" for key, words in _LEFT_OUT.items() if why[key])
        return f"judged on {judged} of {judged + why.total()} recordings" + (f"; left out: {left}" if left else "")

    def words(self, setting: Setting) -> str:
        """A setting as one would say it."""
        waits = f", for {setting.for_s} s" if setting.for_s else ""
        return f"{self.sign} {format_value(setting.threshold, self.unit)} over {setting.over_s} s{waits}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scenario": self.scenario, "alarm": self.alarm, "unit": self.unit, "faults": list(self.faults),
            "others": list(self.others), "left_out": [{"recording": name, "why": why} for name, why in self.left_out],
            "today": self.today._asdict(), "knee": self.knee._asdict(),
            "settings": [s._asdict() for s in self.settings],
        }  # fmt: skip

    @cached_property
    def front(self) -> list[Setting]:
        """Settings that no other beats in wrong answers and in delay; of those that come to the same, one."""
        best: dict[int, Setting] = {}
        for s in self.settings:
            wrong, delay = s.missed + s.false_alarms, s.delay_most_ns
            if delay is not None and (wrong not in best or delay < (best[wrong].delay_most_ns or 0)):
                best[wrong] = s
        out: list[Setting] = []
        for wrong in sorted(best):
            if not out or (best[wrong].delay_most_ns or 0) < (out[-1].delay_most_ns or 0):
                out.append(best[wrong])
        return out

    @cached_property
    def today(self) -> Setting:
        """The setting that the scenario has."""
        return next(s for s in self.settings if s.is_today)

    @cached_property
    def knee(self) -> Setting:
        """Fewest wrong answers, then the shortest of the longest delays, then nearest to today's."""
        today = self.today
        place = {threshold: at for at, threshold in enumerate(sorted({s.threshold for s in self.settings}))}

        def rank(s: Setting) -> tuple[float, ...]:
            delay = float("inf") if s.delay_most_ns is None else float(s.delay_most_ns)
            far = abs(place[s.threshold] - place[today.threshold])
            return s.missed + s.false_alarms, delay, far, abs(s.over_s - today.over_s), abs(s.for_s - today.for_s)

        return min(self.settings, key=rank)


class _Series(NamedTuple):
    """One signal in one recording with one label."""

    start: int
    watched: list[bool]
    values: list[float | None]
    never_negative: bool


class _Heard(NamedTuple):
    """One recording: its series of the signal, and what was provoked in it."""

    name: str
    is_fault: bool
    onset_ns: int
    series: list[_Series]


class _Looked(NamedTuple):
    """The same, looked up over one window: what the alarm compares in each second."""

    series: _Series
    found: list[tuple[float | None, bool]]
    extremes: list[float]  # the least and the greatest of it; empty where nothing was found


def sweep(
    scenario: str | Scenario,
    recordings: Iterable[Recording],
    alarm: str | None = None,
    *,
    factors: Sequence[float] = FACTORS,
    steps: Sequence[float] = STEPS,
    windows_s: Sequence[int] = OVER_S,
    for_s: Sequence[int] = FOR_S,
) -> Sweep:
    """Every combination of threshold, window and `for`, over all recordings that have what the scenario needs.

    recordings  of drills; those that don't say what was provoked in them, or lack a table, are left out, and so are
                those of other scenarios that may fire with this one
    alarm       which; the scenario's first by default
    factors     times today's threshold; 1 is always among them, as are today's window and `for`
    steps       instead of factors where today's threshold is 0: how far beyond it, as a multiple of the smallest value
                (other than 0) that the signal has in these recordings; nothing that is finer would make a difference

    Raises: BadUsage (names; no recording of the fault), QueryFailed, RecordingError.
    """
    chosen = get_scenario(scenario) if isinstance(scenario, str) else scenario
    rule = _alarm(chosen, alarm)
    heard: list[_Heard] = []
    left_out: list[tuple[str, Why]] = []
    for recording in recordings:
        one = _hear(chosen, rule, recording)
        if isinstance(one, _Heard):
            heard.append(one)
        else:
            left_out.append((recording.name, one))
    if not any(h.is_fault for h in heard):
        raise BadUsage(f"there is no recording of a drill of {chosen.name} among these, so nothing can be found out")
    moved = _moved(rule, factors, steps, heard)
    settings = []
    for over_s in sorted({*windows_s, rule.over_s}):
        looked = [(one, _look(replace(rule, over_s=over_s), one.series)) for one in heard]
        for other, wait in itertools.product(moved, sorted({*for_s, rule.for_s})):
            settings.append(_try(replace(other, over_s=over_s, for_s=wait), rule, looked))
    return Sweep(
        chosen.name, rule.name, "count" if rule.lookup == "count" else chosen.signal(rule.signal).unit,
        _first(rule).op, tuple(h.name for h in heard if h.is_fault), tuple(h.name for h in heard if not h.is_fault),
        tuple(left_out), tuple(sorted(settings)),
    )  # fmt: skip


def _alarm(scenario: Scenario, name: str | None) -> Alarm:
    known = {alarm.name: alarm for alarm in scenario.alarms}
    if name is None:
        return scenario.alarms[0]
    if name not in known:
        raise BadUsage(f"scenario {scenario.name} has no alarm {name!r}; {nearest(name, known)}")
    return known[name]


def _first(alarm: Alarm) -> Threshold:
    threshold = alarm.warn or alarm.crit
    assert threshold is not None
    return threshold


def _hear(scenario: Scenario, alarm: Alarm, recording: Recording) -> _Heard | Why:
    drill = recording.info.get("drill")
    if not drill:
        return "untold"
    is_fault = drill["scenario"] == scenario.name and drill["expected"] == "fired"
    if not set(scenario.tables) <= set(recording.tables):
        return "tables"
    if not is_fault and scenario.name in drill["also"]:
        return "also"
    if is_fault and drill["onset_ns"] is None:
        return "untold"
    with Evaluator(recording, [scenario]) as evaluator:
        evaluator.advance()
        if scenario.name in evaluator.broken:
            raise QueryFailed(evaluator.broken[scenario.name])
        track = next((t for t in evaluator.tracks or () if t.signal.name == alarm.signal), None)
        if track is None:
            return "tables"
        series = [
            _Series(s.start, s.watched, s.values, track.signal.absent == 0)
            for s in [*track.series.values(), *track.idle.values()]
        ]
    return _Heard(recording.name, is_fault, drill["onset_ns"] or 0, series)


def _moved(rule: Alarm, factors: Sequence[float], steps: Sequence[float], heard: Iterable[_Heard]) -> list[Alarm]:
    """The alarm with all its thresholds times each factor; or, where the first is 0, moved on by each step."""
    if _first(rule).value:
        moves = [(factor, 0.0) for factor in {*factors, 1.0}]
    else:
        values = (abs(value) for one in heard for series in one.series for value in series.values if value)
        least = 1.0 if rule.lookup == "count" else min(values, default=1.0)
        moves = [(1.0, step * least if rule.rises else -step * least) for step in {*steps, 0.0}]

    def move(old: Threshold | None, times: float, plus: float) -> Threshold | None:
        return None if old is None else replace(old, value=old.value * times + plus)

    return [
        replace(rule, warn=move(rule.warn, *by), crit=move(rule.crit, *by), clear=move(rule.clear, *by)) for by in moves
    ]


def _look(alarm: Alarm, series: Iterable[_Series]) -> list[_Looked]:
    out = []
    for one in series:
        machine = Machine(alarm, one.never_negative)
        found = [machine.look(*second) for second in zip(one.watched, one.values, strict=True)]
        known = [value for value, _ in found if value is not None]
        out.append(_Looked(one, found, [min(known), max(known)] if known else []))
    return out


def _try(alarm: Alarm, today: Alarm, looked: Iterable[tuple[_Heard, list[_Looked]]]) -> Setting:
    missed = false_alarms = 0
    delays = []
    for one, series in looked:
        raised = _raised(alarm, series)
        if raised is not None and (not one.is_fault or raised < one.onset_ns):
            false_alarms += 1
        elif raised is not None:
            delays.append(raised - one.onset_ns)
        elif one.is_fault:
            missed += 1
    return Setting(
        _first(alarm).value, alarm.over_s, alarm.for_s, alarm == today, missed, false_alarms,
        int(statistics.median(delays)) if delays else None, max(delays, default=None),
    )  # fmt: skip


def _raised(alarm: Alarm, looked: Iterable[_Looked]) -> int | None:
    """When the alarm was first raised for any label; None where it was not."""
    thresholds = [threshold for threshold in (alarm.warn, alarm.crit) if threshold is not None]
    raised = []
    for one in looked:
        if not any(threshold.is_met(value) for threshold in thresholds for value in one.extremes):
            continue
        machine = Machine(alarm, one.series.never_negative)
        for at, found in enumerate(one.found):
            if machine.judge(one.series.start + at * SECOND, *found) is not None:
                raised.append(machine.incidents[0].raised_ns)
                break
    return min(raised, default=None)


def library(folders: Iterable[Path]) -> Iterator[Recording]:
    """All recordings: each folder holds some, or is one, or is the name of a bundled one. Raises RecordingError."""
    for folder in folders:
        if not folder.is_dir() or (folder / "recording.json").is_file():
            yield open_recording(folder)
        else:
            yield from map(open_recording, sorted(path.parent for path in folder.glob("*/recording.json")))


def page(result: Sweep) -> str:
    """The chart and the table as one HTML page that opens offline."""
    rows = []
    for setting in result.settings:
        marks = ["today"] * setting.is_today + ["knee"] * (setting == result.knee)
        rows.append(
            (result.words(setting), setting.missed, setting.false_alarms, setting.delay_most_ns, " ".join(marks))
        )
    points = chart.info(rows, faults=len(result.faults), others=len(result.others))
    shown = [("today", result.today), ("the knee", result.knee), *(("", s) for s in result.front)]
    table = Table(
        [Col(""), Col("setting", "code"), *(Col(name, "number") for name in ("missed", "false", "typical", "longest"))],
        [[mark, result.words(s), str(s.missed), str(s.false_alarms), _delay(s.delay_median_ns), _delay(s.delay_most_ns)]
         for mark, s in shown],
        note="Below the knee: settings that no other beats. Delays are from the onset of the fault to the alarm.",
    )
    title = f"{result.scenario}: settings of the alarm {result.alarm}"
    said = f"{points.caption} The alarm was {result.coverage}."
    outputs = [Words(Paragraph(said)), Figure(chart.figure(points), points.caption), Words(table)]
    return outputs_to_html(title, f"Made by SantaBPF {__version__}. This page is one file.", outputs)


def _delay(ns: int | None) -> str:
    return "-" if ns is None else format_duration(ns)
