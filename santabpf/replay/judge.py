"""Fired, quiet, or cannot tell: one scenario, one node.

In: an Evaluator that has done its seconds. Out: one Verdict. Never: a sentence without the name of its evidence;
silence about what was lost, not watched or not recorded.

    fired        an alarm was on, and no loss could have been what raised it
    quiet        none was, enough was watched, and no loss could have hidden one
    cannot_tell  all else, and why
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .. import verdict as v
from ..errors import BadScenario, QueryFailed
from ..scenarios import Alarm, Scenario
from ..units import SECOND
from . import doubts, telling
from .alarms import RANK, Incident, Machine
from .loss import Lost, could_differ, highest
from .sql import Composed, Text, where
from .words import format_value, nearness

if TYPE_CHECKING:
    from .evaluate import Evaluator, Series, Track


@dataclass(frozen=True)
class Hit:
    """One incident of one alarm, and where it came from; incident None: the alarm that came nearest."""

    track: Track
    series: Series
    label: str
    machine: Machine
    incident: Incident | None

    @property
    def alarm(self) -> Alarm:
        """Its rule."""
        return self.machine.alarm


class Judge:
    """Judges one scenario on one node, and keeps the evidence it asks for."""

    def __init__(self, evaluator: Evaluator, scenario: Scenario, node: str, lost: Lost) -> None:
        self.evaluator, self.scenario, self.node = evaluator, scenario, node
        self.lost = lost.get(node, {})
        self.tracks = {t.signal.name: t for t in evaluator.tracks or () if t.scenario is scenario}
        self.evidence: dict[str, v.Evidence] = {}
        self.start = evaluator.first or evaluator.recording.window[0]
        self.end = evaluator.next or evaluator.recording.window[1]

    def verdict(self) -> v.Verdict:
        """See the module's text. A scenario that fails, on its way or here, can't tell."""
        if why := self.evaluator.broken.get(self.scenario.name):
            return self._broken(why)
        try:
            return self._judged()
        except (BadScenario, QueryFailed) as exc:
            return self._broken(self.evaluator.give_up(self.scenario, str(exc)))

    def _broken(self, why: str) -> v.Verdict:
        self.evidence = {}
        return self._verdict("cannot_tell", None, [doubts.broken(self, why)])

    def _judged(self) -> v.Verdict:
        absent = doubts.missing(self)
        if absent:
            return self._verdict("cannot_tell", None, absent)
        hits = self.hits
        if hits and hits[0].incident is not None:
            reasons = self._turned(fired=True)
            return self._verdict("cannot_tell" if reasons else "fired", hits[0], reasons)
        reasons = doubts.short(self) + self._turned(fired=False)
        return self._verdict("cannot_tell" if reasons else "quiet", hits[0] if hits else None, reasons)

    def _verdict(self, state: v.State, hit: Hit | None, reasons: list[doubts.Reason]) -> v.Verdict:
        is_broken = self.scenario.name in self.evaluator.broken  # then nothing is known of what it would have looked at
        unknown, limits = ([], []) if is_broken else (doubts.always(self), doubts.limits(self))
        told = telling.nothing() if hit is None else telling.tell(self, hit, state, unknown)
        return v.Verdict(
            self.scenario.name,
            self.scenario.title,
            self.node,
            state,
            tuple(v.Sentence(r.text, r.evidence) for r in reasons) if state == "cannot_tell" else told.summary,
            v.Window(self.start, self.end, (self.end - self.start) // SECOND, self.watched),
            told.detected,
            told.culprit,
            told.impact,
            told.ruled_out,
            (*unknown, *limits, *told.possible),
            told.steps if state == "fired" else tuple(dict.fromkeys(r.step for r in reasons if r.step is not None)),
            told.timeline,
            telling.no_answer(reasons) if state == "cannot_tell" else told.confidence,
            {p.name: format_value(p.value, p.unit) for p in self.scenario.params},
            tuple(self.evidence[name] for name in sorted(self.evidence)),
            self._inputs(),
        )

    # -------------------------------------------------------------------------------------------- what was watched

    @cached_property
    def watched(self) -> int:
        """Seconds through which all that the alarms' signals read was watched."""
        alarmed = {alarm.signal for alarm in self.scenario.alarms}
        tables = frozenset[str]().union(*(t.tables for name, t in self.tracks.items() if name in alarmed))
        return sum(1 for _, seen in self.evaluator.watched[self.node] if tables and tables <= seen)

    @cached_property
    def recorded(self) -> dict[str, bool]:
        """Of the tables that the scenario can do without: was it recorded?"""
        return {table: doubts.why_not(self, table) is None for table in self.scenario.optional}

    # ------------------------------------------------------------------------------------------------------ alarms

    @cached_property
    def hits(self) -> list[Hit]:
        """All incidents, the one that matters most first; without any, the alarm that came nearest."""
        found, near = [], []
        for track in self.tracks.values():
            for label, series in self._series(track):
                for machine in series.machines:
                    found += [Hit(track, series, label, machine, incident) for incident in machine.incidents]
                    near.append(Hit(track, series, label, machine, None))
        if found:
            return sorted(found, key=self._weight)
        for track in () if near else self.tracks.values():  # of many labels none ever had a row
            series = track.new_series(self.node, self.end)
            near += [Hit(track, series, "", machine, None) for machine in series.machines]
        return sorted(near, key=lambda h: (-nearness(h.machine), h.alarm.name, h.label))[:1]

    def _series(self, track: Track) -> Iterator[tuple[str, Series]]:
        for (node, label), series in sorted([*track.series.items(), *track.idle.items()], key=lambda item: item[0]):
            if node == self.node:
                yield label, series

    def _weight(self, hit: Hit) -> tuple[Any, ...]:
        incident = hit.incident
        assert incident is not None
        lasted = (incident.to_ns or self.end) - incident.onset_ns
        return -RANK[incident.state], -lasted, incident.onset_ns, hit.alarm.name, hit.label

    # -------------------------------------------------------------------------------------------------------- loss

    def _turned(self, *, fired: bool) -> list[doubts.Reason]:
        """Losses that could turn the answer; a fired scenario stands while one of its alarms stands."""
        guilty: set[str] = set()
        for track in self.tracks.values():
            cap = self._cap(track)
            for alarm in track.alarms:
                for values, watched, was_on in self._courses(track, alarm, fired):
                    if was_on != fired:
                        continue
                    found = could_differ(
                        track.signal, alarm, track.tables, self.lost, self.start, values, watched, cap, fired=fired
                    )
                    if fired and not found:
                        return []
                    guilty |= found
        return [doubts.turned(self, guilty, fired)] if guilty else []

    def _courses(
        self, track: Track, alarm: Alarm, fired: bool
    ) -> Iterator[tuple[list[float | None], list[bool], bool]]:
        """Values from the first second on of each series, whether watched, and whether the alarm was on."""
        seen = [track.tables <= tables for _, tables in self.evaluator.watched[self.node]]
        silent: list[float | None] = [0.0 if s and track.signal.absent == 0 else None for s in seen]
        for _, series in self._series(track):
            before = (series.start - self.start) // SECOND
            values = silent[:before] + series.values
            values += silent[len(values) :]
            yield values, seen, any(m.alarm is alarm and m.incidents for m in series.machines)
        if track.labelled and not fired:
            yield silent, seen, False  # a label that was never seen may have lost all its rows

    def _cap(self, track: Track) -> dict[int, float | None] | None:
        name = track.signal.at_most
        other = self.tracks.get(name) if name is not None else None
        series = other.series.get((self.node, "")) if other else None
        if other is None or series is None:
            return None
        lost = {table: seconds for table, seconds in self.lost.items() if table in other.tables}
        return highest(other.signal, lost, series.start, series.values)

    # ---------------------------------------------------------------------------------------------------- evidence

    def ask(
        self, name: str, title: str, query: Composed | str, params: dict[str, int | str], hidden: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Run an evidence query, keep its rows under its name, and hand them out as mappings.

        hidden: parameters in full, where `params`, which the verdict shows, had to become texts.
        """
        if isinstance(query, str):
            query = Composed(query, [(Text(query), 1)])
        rows, total = self.evaluator.query.run(
            query, {**params, **hidden}, optional=self.scenario.optional, keep=v.KEEP_ROWS
        )
        columns = tuple(rows.schema.names)
        try:
            cells = tuple(tuple(_cell(row[c]) for c in columns) for row in rows.to_pylist())
        except (ValueError, OverflowError) as exc:  # a date of the year 290000, say
            raise QueryFailed(f"{where(query)}its rows hold what can't be shown: {exc}") from exc
        used = {key: value for key, value in params.items() if f"${key}" in query.sql}
        self.evidence[name] = v.Evidence(name, title, query.sql, used, columns, cells, total)
        return [dict(zip(columns, row, strict=True)) for row in cells]

    def _inputs(self) -> v.Inputs:
        recording = self.evaluator.recording
        hashes = {}
        read = {*self.scenario.tables, *self.scenario.optional, "coverage", "loss", "gaps"}
        for table in sorted(read & set(recording.tables)):
            parts = sorted(part.sha256 or "?" for part in recording.parts(table))
            hashes[table] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return v.Inputs(version("duckdb"), self.scenario.sha256, self.scenario.origin, hashes)


def _cell(value: Any) -> v.Cell:
    """A value of a query as whole number, text, list of texts or nothing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return [str(item) for item in value] if isinstance(value, list) else str(value)
