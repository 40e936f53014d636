"""What a replay gives: verdicts, alarms and signals.

In: an Evaluator. Out: Result. Never: evaluates anything itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import cards
from ..scenarios import visible
from ..units import SECOND
from ..verdict import Verdict
from .explain import Explanation, explanations
from .judge import Judge
from .loss import read_loss

if TYPE_CHECKING:
    import pandas as pd

    from ..scenarios import Scenario
    from .evaluate import AlarmEvent, Evaluator

ALARM_COLUMNS = ("scenario", "alarm", "title", "node", "label", "state", "onset_ns", "from_ns", "to_ns", "peak", "unit")
SIGNAL_COLUMNS = ("scenario", "signal", "second", "node", "label", "value", "unit")


@dataclass(frozen=True)
class Result:
    """Verdicts (one for each scenario and node), which explains which, and the tables they rest on."""

    verdicts: tuple[Verdict, ...]
    alarm_rows: tuple[tuple[Any, ...], ...]
    signal_rows: tuple[tuple[Any, ...], ...]
    explanations: tuple[Explanation, ...] = ()
    #: each time that an alarm began, grew, eased or ended, in the order in which `watch` would have told of it
    events: tuple[AlarmEvent, ...] = ()
    #: what is wrong with `explains` rules: sentences; no verdict depends on them
    notes: tuple[str, ...] = ()

    def explained(self, verdict: Verdict) -> tuple[Explanation, ...]:
        """What brought this verdict's trouble about, as far as other verdicts tell."""
        return tuple(e for e in self.explanations if (e.symptom, e.node) == (verdict.scenario, verdict.node))

    def _explains(self, verdict: Verdict) -> tuple[Explanation, ...]:
        return tuple(e for e in self.explanations if (e.cause, e.node) == (verdict.scenario, verdict.node))

    @cached_property
    def ranked(self) -> tuple[Verdict, ...]:
        """In the order in which people should read them: causes, what they explain, the rest, cannot tell, quiet."""
        order = {"fired": 2, "cannot_tell": 3, "quiet": 4}

        def place(v: Verdict) -> tuple[Any, ...]:
            level = v.confidence.level if v.state == "fired" else ""
            explains = len(self._explains(v))
            rank = 1 if self.explained(v) else 0 if explains else order[v.state]
            return rank, -explains, ("high", "medium", "low", "").index(level), v.scenario, v.node

        return tuple(sorted(self.verdicts, key=place))

    def beside(self, verdict: Verdict) -> tuple[str, ...]:
        """How what fired goes together with the others of its node, in sentences; () for the one to begin with.

        What brought it about; else, where it brought nothing about either, that it was seen besides.
        """
        here = {v.scenario: v.title for v in self._fired(verdict.node)}
        if verdict.state == "fired" and (why := self.explained(verdict)):
            return tuple(f"Brought about by: {here[e.cause]}. {e.text}" for e in why)
        if verdict not in self.also_seen:
            return ()
        first = next(iter(here.values()))
        return (f"Also seen beside: {first}. Nothing recorded says that one brought the other about.",)

    @cached_property
    def also_seen(self) -> tuple[Verdict, ...]:
        """What fired beside the one to begin with on its node, brought nothing about and was brought about by nothing
        that was judged."""
        return tuple(v for v in self.ranked if v.state == "fired" and v != self._fired(v.node)[0]
                     and not self.explained(v) and not self._explains(v))

    def _fired(self, node: str) -> list[Verdict]:
        return [v for v in self.ranked if (v.state, v.node) == ("fired", node)]

    @cached_property
    def alarms(self) -> pd.DataFrame:
        """One row is one stretch of time in which an alarm was on.

        scenario, alarm, title, node, label; state: warn or crit, the worst; onset_ns: start of the first second that
        met the threshold; from_ns: when it was raised; to_ns: when it ended, null while still on; peak, in unit.
        """
        import pandas as pd

        frame = pd.DataFrame(list(self.alarm_rows), columns=list(ALARM_COLUMNS))
        numbers = {"onset_ns": "Int64", "from_ns": "Int64", "to_ns": "Int64", "peak": "float64"}
        return frame.astype({column: numbers.get(column, "str") for column in ALARM_COLUMNS})

    @cached_property
    def signals(self) -> pd.DataFrame:
        """One row is one signal in one second, with node and label: value, null where the second was not watched."""
        import pandas as pd

        frame = pd.DataFrame(list(self.signal_rows), columns=list(SIGNAL_COLUMNS))
        numbers = {"second": "int64", "value": "float64"}
        return frame.astype({column: numbers.get(column, "str") for column in SIGNAL_COLUMNS})

    def alarms_of(self, verdict: Verdict) -> list[dict[str, Any]]:
        """When the alarms of its scenario were on, on its node: rows of `alarms` as plain values, oldest first."""
        rows = (dict(zip(ALARM_COLUMNS, row, strict=True)) for row in self.alarm_rows)
        return [row for row in rows if (row["scenario"], row["node"]) == (verdict.scenario, verdict.node)]

    @property
    def exit_code(self) -> int:
        """0 all quiet, 3 a scenario fired, 4 one cannot tell."""
        states = {verdict.state for verdict in self.verdicts}
        return 3 if "fired" in states else 4 if "cannot_tell" in states else 0

    def __repr__(self) -> str:
        lines = [f"{v.scenario} on {v.node}: {v.state}" for v in self.verdicts]
        return f"<Result: {'; '.join(lines) or 'nothing to judge'}>"

    def __str__(self) -> str:
        told = ["\n  ".join([v.to_text(), *map(visible, self.beside(v))]) for v in self.ranked]
        return "\n\n".join([*(told or ["No scenario was judged."]), *map(visible, self.notes)])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.result(self)._repr_mimebundle_(include, exclude)


def verdicts(evaluator: Evaluator, scenarios: Iterable[Scenario]) -> tuple[Verdict, ...]:
    """One for each of these scenarios and each node, of the seconds that an evaluator has seen."""
    start = evaluator.first or 0
    lost = read_loss(evaluator.query, start, evaluator.next or start)
    return tuple(
        Judge(evaluator, scenario, node, lost).verdict()
        for scenario in scenarios
        for node in evaluator.recording.nodes
    )


def result(evaluator: Evaluator) -> Result:
    """Judge what an evaluator has seen."""
    judged = verdicts(evaluator, evaluator.scenarios)
    alarms, signals = [], []
    for track in evaluator.tracks or ():
        if track.scenario.name in evaluator.broken:
            continue
        name, signal = track.scenario.name, track.signal
        for (node, label), series in sorted([*track.series.items(), *track.idle.items()]):
            signals += [
                (name, signal.name, series.start + at * SECOND, node, label, value, signal.unit)
                for at, value in enumerate(series.values)
            ]
            for machine in series.machines:
                alarms += [
                    (
                        name,
                        machine.alarm.name,
                        machine.alarm.title,
                        node,
                        label,
                        i.state,
                        i.onset_ns,
                        i.raised_ns,
                        i.to_ns,
                        i.peak,
                        signal.unit,
                    )
                    for i in machine.incidents
                ]
    notes: list[str] = []
    why = explanations(judged, evaluator.scenarios, notes)
    rows = tuple(sorted(alarms, key=lambda a: (a[0], a[7], a[1:5])))
    events = tuple(event for event in evaluator.events if event.scenario not in evaluator.broken)
    return Result(judged, rows, tuple(signals), why, events, tuple(notes))
