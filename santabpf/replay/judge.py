"""Alarms and evidence to a Verdict: the words of a scenario, filled in with one node's incident.

In: an Evaluator that has done its seconds. Out: one Verdict for each scenario and node. Never: a sentence without the
name of its evidence; silence about what was lost, not watched or not recorded.

    fired        an alarm was on, and no loss could have been what raised it
    quiet        none was, enough was watched, and no loss could have hidden one
    cannot_tell  all else, and why
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from .. import verdict as v
from ..scenarios import Alarm, Scenario, Template, Threshold
from ..scenarios import Evidence as AskedEvidence
from ..units import SECOND, format_duration, format_utc
from . import doubts
from .alarms import RANK, Incident, Machine
from .loss import Lost, could_differ
from .signals import composed
from .sql import Composed, Text
from .words import column, condition, format_value, whole

if TYPE_CHECKING:
    from .evaluate import Evaluator, Series, Track


@dataclass(frozen=True)
class Hit:
    """One incident of one alarm, and where it came from."""

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
    """Judges one scenario on one node."""

    def __init__(self, evaluator: Evaluator, scenario: Scenario, node: str, lost: Lost) -> None:
        self.evaluator, self.scenario, self.node = evaluator, scenario, node
        self.lost = lost.get(node, {})
        self.tracks = {t.signal.name: t for t in evaluator.tracks or () if t.scenario is scenario}
        self.evidence: dict[str, v.Evidence] = {}
        self.start = evaluator.first or evaluator.recording.window[0]
        self.end = evaluator.next or evaluator.recording.window[1]

    # ------------------------------------------------------------------------------------------------- the verdict

    def verdict(self) -> v.Verdict:
        """See the module's text."""
        reasons = self._no_answer()
        hits = self._hits()
        hit = next((h for h in hits if h.incident is not None), None)
        state: v.State
        if any(reason.is_final for reason in reasons):
            state = "cannot_tell"
        elif hit is not None:
            reasons = self._turned(fired=True)
            state = "cannot_tell" if reasons else "fired"
        else:
            reasons += self._turned(fired=False)
            state = "cannot_tell" if reasons else "quiet"
        if not (hit or hits) or any(reason.is_final for reason in reasons):
            return self._verdict(state, None, reasons, {})
        chosen = hit or hits[0]
        return self._verdict(state, chosen, reasons, self._values(state, chosen))

    def _verdict(
        self, state: v.State, hit: Hit | None, reasons: list[doubts.Reason], values: dict[str, Any]
    ) -> v.Verdict:
        words, fired, told = self.scenario.words, state == "fired", hit is not None and bool(values)
        detected = self._detected(hit) if hit is not None else None
        unknown = doubts.always(self)
        ruled_out, possible = self._causes(values) if told else ((), ())
        if state == "cannot_tell":
            summary = tuple(v.Sentence(reason.text, reason.evidence) for reason in reasons)
        else:
            summary = self._sentences(words.fired if fired else words.quiet, values)
        level, why = self._confidence(values, told and state != "cannot_tell", unknown)
        return v.Verdict(
            self.scenario.name,
            self.scenario.title,
            self.node,
            state,
            summary,
            v.Window(self.start, self.end, (self.end - self.start) // SECOND, self.watched),
            detected,
            self._culprit(values) if fired else None,
            self._sentences(words.impact, values) if fired else (),
            ruled_out,
            tuple(unknown) + possible + (self._sentences(words.could_not_tell, values) if told else ()),
            self._steps(values) if fired else tuple(r.step for r in reasons if r.step is not None),
            self._timeline(hit, values) if fired else (),
            v.Confidence(level, why),
            {p.name: format_value(p.value, p.unit) for p in self.scenario.params},
            tuple(self.evidence[name] for name in sorted(self.evidence)),
            self._inputs(),
        )

    @cached_property
    def watched(self) -> int:
        """Seconds through which all that the alarms' signals read was watched."""
        alarmed = {alarm.signal for alarm in self.scenario.alarms}
        tables = frozenset[str]().union(*(t.tables for name, t in self.tracks.items() if name in alarmed))
        return sum(1 for _, seen in self.evaluator.watched[self.node] if tables and tables <= seen)

    def _no_answer(self) -> list[doubts.Reason]:
        return doubts.missing(self) or doubts.short(self)

    def _turned(self, *, fired: bool) -> list[doubts.Reason]:
        """Losses that could turn the answer."""
        guilty: set[str] = set()
        standing = False
        for track in self.tracks.values():
            cap = self._cap(track)
            # of a signal with labels, one that was never seen could have lost all its rows
            phantom = [] if fired or not track.labelled else [(self.start, *self._nothing(track))]
            mine = [s for (n, _), s in [*track.series.items(), *track.idle.items()] if n == self.node]
            for start, values, watched in [(s.start, s.values, s.watched) for s in mine] + phantom:
                for alarm in track.alarms:
                    if fired and not self._has_fired(mine, start, alarm):
                        continue
                    found = could_differ(
                        track.signal, [alarm], track.tables, self.lost, start, values, watched, cap, fired=fired
                    )
                    guilty |= found
                    standing = standing or (fired and not found)
        return [doubts.turned(self, guilty, fired)] if guilty and not standing else []

    @staticmethod
    def _has_fired(mine: Iterable[Series], start: int, alarm: Alarm) -> bool:
        return any(m.alarm is alarm and m.incidents for s in mine if s.start == start for m in s.machines)

    def _nothing(self, track: Track) -> tuple[list[float | None], list[bool]]:
        seen = [track.tables <= tables for _, tables in self.evaluator.watched[self.node]]
        return [0.0 if s and track.signal.absent == 0 else None for s in seen], seen

    def _cap(self, track: Track) -> dict[int, float | None] | None:
        name = track.signal.at_most
        series = self.tracks[name].series.get((self.node, "")) if name in self.tracks else None
        if series is None:
            return None
        return {series.start + at * SECOND: value for at, value in enumerate(series.values)}

    # ----------------------------------------------------------------------------------------------------- alarms

    def _hits(self) -> list[Hit]:
        """All incidents, the one that matters most first; without any, the alarm that came nearest."""
        found, near = [], []
        for track in self.tracks.values():
            for (node, label), series in sorted([*track.series.items(), *track.idle.items()]):
                for machine in series.machines if node == self.node else ():
                    found += [Hit(track, series, label, machine, incident) for incident in machine.incidents]
                    near.append(Hit(track, series, label, machine, None))
        if found:
            return sorted(found, key=self._weight)
        return sorted(near, key=lambda h: (-_nearness(h.machine), h.alarm.name, h.label))[:1]

    def _weight(self, hit: Hit) -> tuple[Any, ...]:
        incident = hit.incident
        assert incident is not None
        return (
            -RANK[incident.state],
            -((incident.to_ns or self.end) - incident.onset_ns),
            incident.onset_ns,
            hit.alarm.name,
            hit.label,
        )

    def _detected(self, hit: Hit) -> v.Detected:
        alarm, signal, incident, name = hit.alarm, hit.track.signal, hit.incident, f"signal_{hit.track.signal.name}"
        self._signal_evidence(hit, name)
        unit = "count" if alarm.lookup == "count" else signal.unit
        threshold = _threshold(alarm, incident.state if incident else "warn")
        rule = condition(alarm, signal, threshold)
        if incident is None:
            worst, at = hit.machine.extreme or (None, None)
            peak = "no value" if worst is None else format_value(worst, unit)
            text = f"The alarm {alarm.name} was not raised: it needs the {rule}; what came nearest was {peak}."
            return v.Detected(
                alarm.name, alarm.title, signal.name, hit.label, "clear", rule, peak, at, None, None, None, text
            )
        peak = format_value(incident.peak, unit)
        lasted = (
            "it was still on when the recording ended"
            if incident.to_ns is None
            else (f"it was on until {format_utc(incident.to_ns, date=False)}")
        )
        state: Literal["clear", "warn", "crit"] = incident.state
        text = (
            f"The alarm {alarm.name} went to {'critical' if state == 'crit' else 'warning'} by the {rule}: first met in the "
            f"second from {format_utc(incident.onset_ns, date=False)}, raised at {format_utc(incident.raised_ns, date=False)}, "
            f"at its worst {peak}; {lasted} (UTC)."
        )
        return v.Detected(
            alarm.name,
            alarm.title,
            signal.name,
            hit.label,
            state,
            rule,
            peak,
            incident.peak_second,
            incident.onset_ns,
            incident.raised_ns,
            incident.to_ns,
            text,
        )

    def _signal_evidence(self, hit: Hit, name: str) -> None:
        signal, series = hit.track.signal, hit.series
        rows = [(series.start + at * SECOND, whole(value, signal.unit)) for at, value in enumerate(series.values)]
        start, end = self._span(hit)
        rows = [row for row in rows if start <= row[0] < end]
        params: dict[str, int | str] = {"from_ns": start, "to_ns": end, "node": self.node, "label": hit.label}
        self.evidence[name] = v.Evidence(
            name,
            f"{signal.name}, second by second",
            composed(self.scenario, signal.query).sql,
            params | self._params(),
            ("second", column(signal.unit)),
            tuple(rows[: v.KEEP_ROWS]),
            len(rows),
        )

    def _span(self, hit: Hit) -> tuple[int, int]:
        """The time an incident's evidence is from: all that its lookups saw; without an incident, everything."""
        if hit.incident is None:
            return self.start, self.end
        return max(self.start, hit.incident.onset_ns - (hit.alarm.over_s - 1) * SECOND), hit.incident.to_ns or self.end

    # ------------------------------------------------------------------------------------------- evidence and words

    def _params(self) -> dict[str, int | str]:
        return {k: value if isinstance(value, int) else f"{value:.10g}" for k, value in self.scenario.values.items()}

    def _values(self, state: v.State, hit: Hit) -> dict[str, Any]:
        """What templates may fill in."""
        start, end = self._span(hit)
        asked: dict[str, int | str] = {"from_ns": start, "to_ns": end, "node": self.node, "label": hit.label}
        values: dict[str, Any] = {name: None for name in ()}
        for evidence in self.scenario.evidence:
            values[evidence.name] = self._ask(evidence, asked)
        alarm, incident = hit.alarm, hit.incident
        unit = "count" if alarm.lookup == "count" else hit.track.signal.unit
        worst = incident.peak if incident else (hit.machine.extreme or (None,))[0]
        facts = self.evaluator.recording.info["nodes"].get(self.node, {})
        values |= {
            "alarm": {
                "name": alarm.name,
                "title": alarm.title,
                "state": incident.state if incident else "clear",
                "peak": "no value" if worst is None else format_value(worst, unit),
                "over_s": alarm.over_s,
                "threshold": format_value(_threshold(alarm, incident.state if incident else "warn").value, unit),
                "clear": "" if alarm.clear is None else format_value(alarm.clear.value, unit),
                "onset_ns": incident.onset_ns if incident else None,
                "raised_ns": incident.raised_ns if incident else None,
                "is_over": incident is not None and incident.to_ns is not None,
                "label": hit.label,
                "delay_ns": incident.raised_ns - incident.onset_ns if incident else None,
            },
            "node": {
                "label": self.node,
                "cpus": facts.get("cpus"),
                "memory_bytes": facts.get("memory_bytes"),
                "kernel": facts.get("kernel", ""),
                "cgroup_version": facts.get("cgroup_version"),
            },
            "window": {"from_ns": start, "to_ns": end, "duration_ns": end - start, "watched": self.watched},
            "params": self.scenario.values,
            "lost": doubts.lost_rows(self),
            "state": state,
        }
        return values

    def _ask(self, evidence: AskedEvidence, asked: dict[str, int | str]) -> list[dict[str, Any]]:
        return self.ask(
            evidence.name,
            evidence.title,
            composed(self.scenario, evidence.query),
            asked | self._params(),
            {**asked, **self.scenario.values},
        )

    def ask(
        self, name: str, title: str, query: Composed | str, shown: dict[str, int | str], params: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Run an evidence query, keep its rows under its name, and hand them out as mappings."""
        if isinstance(query, str):
            query = Composed(query, [(Text(query), 1)])
        rows, count = self.evaluator.query.run(query, params, keep=v.KEEP_ROWS)
        columns = tuple(rows.schema.names)
        cells = tuple(tuple(_cell(row[c]) for c in columns) for row in rows.to_pylist())
        used = {k: value for k, value in shown.items() if f"${k}" in query.sql}
        self.evidence[name] = v.Evidence(name, title, query.sql, used, columns, cells, count)
        return [dict(zip(columns, row, strict=True)) for row in cells]

    @staticmethod
    def _say(template: Template, values: dict[str, Any]) -> str:
        return template.render(values)

    def _sentences(self, sentences: Iterable[Any], values: dict[str, Any]) -> tuple[v.Sentence, ...]:
        out = []
        for s in sentences:
            if (s.when is None or s.when.is_true(values)) and (text := s.text.render(values)):
                out.append(v.Sentence(text, s.evidence))
        return tuple(out)

    def _causes(self, values: dict[str, Any]) -> tuple[tuple[v.RuledOut, ...], tuple[v.Sentence, ...]]:
        out, possible = [], []
        for cause in self.scenario.words.ruled_out:
            if cause.holds.is_true(values):
                out.append(v.RuledOut(cause.name, cause.text.render(values), cause.evidence))
            elif text := cause.otherwise.render(values):
                possible.append(v.Sentence(text, cause.evidence))
        return tuple(out), tuple(possible)

    def _culprit(self, values: dict[str, Any]) -> v.Culprit:
        words = self.scenario.words
        return v.Culprit(**{k: t.render(values) for k, t in words.culprit.items()}, evidence=words.culprit_evidence)

    def _steps(self, values: dict[str, Any]) -> tuple[v.Step, ...]:
        return tuple(
            v.Step(s.text.render(values), s.check.render(values) if s.check else "", s.evidence)
            for s in self.scenario.words.next_steps
            if s.when is None or s.when.is_true(values)
        )

    def _timeline(self, hit: Hit | None, values: dict[str, Any]) -> tuple[v.Moment, ...]:
        moments = [
            v.Moment(self.start, "Recording starts.", ("recording_coverage",)),
            v.Moment(self.end, "Recording ends.", ("recording_coverage",)),
        ]
        for other in self._hits():
            i, title, name = other.incident, other.alarm.title, f"signal_{other.track.signal.name}"
            if i is None or hit is None:
                continue
            if name not in self.evidence:
                self._signal_evidence(other, name)
            of = f" [{other.label}]" if other.label else ""
            moments.append(v.Moment(i.onset_ns, f"{title}{of}: begins.", (name,)))
            moments.append(
                v.Moment(
                    i.raised_ns,
                    f"{title}{of}: alarm raised, {format_duration(i.raised_ns - i.onset_ns)} after it began.",
                    (name,),
                )
            )
            if i.to_ns is not None:
                moments.append(v.Moment(i.to_ns, f"{title}{of}: over.", (name,)))
        for moment in self.scenario.words.timeline:
            for row in values[moment.evidence]:
                moments.append(
                    v.Moment(int(row[moment.at]), moment.text.render({**values, "row": row}), (moment.evidence,))
                )
        return tuple(sorted(moments, key=lambda m: (m.ts_ns, m.text)))

    def _confidence(
        self, values: dict[str, Any], told: bool, unknown: Sequence[v.Sentence]
    ) -> tuple[Literal["high", "medium", "low"], tuple[str, ...]]:
        if not told:
            return "low", ("There is no answer to trust.",)
        level: Literal["high", "medium", "low"] = "high"
        reasons = []
        for doubt in self.scenario.words.doubts:
            if doubt.when.is_true(values):
                reasons.append(doubt.text.render(values))
                level = "low" if "low" in (level, doubt.level) else "medium"
        if unknown and level == "high":
            level = "medium"
            reasons.append("Something could not be told, but it can't have turned the answer.")
        return level, tuple(reasons) or (
            f"All {self.watched} seconds that count were watched whole, and nothing was lost.",
        )

    def _inputs(self) -> v.Inputs:
        recording = self.evaluator.recording
        wanted = {*self.scenario.tables, "coverage", "loss", "gaps"} & set(recording.tables)
        hashes = {}
        for table in sorted(wanted):
            parts = sorted(part.sha256 or "?" for part in recording.parts(table))
            hashes[table] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return v.Inputs(version("duckdb"), self.scenario.sha256, hashes)


def _threshold(alarm: Alarm, state: str) -> Threshold:
    found = alarm.crit if state == "crit" else alarm.warn
    found = found or alarm.warn or alarm.crit
    assert found is not None
    return found


def _nearness(machine: Machine) -> float:
    """How near the worst lookup came to the threshold: 1 is there."""
    if machine.extreme is None:
        return -1.0
    threshold = _threshold(machine.alarm, "warn").value
    worst = machine.extreme[0]
    if machine.alarm.rises:
        return worst / threshold if threshold > 0 else 0.0
    return threshold / worst if worst > 0 else 0.0


def _cell(value: Any) -> v.Cell:
    """A value of a query as whole number, text, list of texts or nothing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value)
