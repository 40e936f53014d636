"""The words of a verdict: a scenario's sentences, filled in with one node's incident and its evidence.

In: a Judge, and the incident (or the alarm that came nearest). Out: Told. Never: decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .. import verdict as v
from ..errors import BadScenario
from ..probes.containers import belongs
from ..scenarios import NoRow, Sentence, Template
from ..units import SECOND, format_duration, format_utc
from . import doubts
from .signals import composed
from .words import column, condition, format_value, threshold_of, whole

if TYPE_CHECKING:
    from .judge import Hit, Judge

Values = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """The parts of a verdict that are words."""

    summary: tuple[v.Sentence, ...]
    detected: v.Detected | None
    culprit: v.Culprit | None
    impact: tuple[v.Sentence, ...]
    ruled_out: tuple[v.RuledOut, ...]
    possible: tuple[v.Sentence, ...]  # causes that could not be ruled out, and what else could not be told
    steps: tuple[v.Step, ...]
    timeline: tuple[v.Moment, ...]
    confidence: v.Confidence


class _Pen:
    """Fills in templates. What asks for a row that is not there is left out, and the evidence of it is remembered."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.left_out: set[str] = set()

    def write(self, template: Template, evidence: Iterable[str], missing: str = "", **more: Any) -> str:
        """The text; `missing` where its evidence has no such row."""
        try:
            return template.render({**self.values, **more})
        except NoRow:
            self.left_out.update(evidence)
            return missing

    def said(self, judge: Judge) -> tuple[v.Sentence, ...]:
        """That something was left out, if it was."""
        titles = {e.name: e.title for e in judge.scenario.evidence}
        empty = sorted(name for name in self.left_out if not self.values[name])
        return tuple(v.Sentence(f"{titles[name]}: no row tells, so what would be said of it is left out.", (name,))
                     for name in empty)  # fmt: skip


def nothing() -> Told:
    """Where there is nothing to tell about: no table, or no second."""
    return Told((), None, None, (), (), (), (), (), no_answer(()))


def no_answer(reasons: Iterable[doubts.Reason]) -> v.Confidence:
    """How far to trust what can't be told: it rests on the reasons why not."""
    on = tuple(dict.fromkeys(name for reason in reasons for name in reason.evidence))
    return v.Confidence("low", (v.Sentence("There is no answer to trust.", on),))


def tell(judge: Judge, hit: Hit, state: v.State, unknown: list[v.Sentence]) -> Told:
    """All words about an incident. unknown: what was lost or not watched. Raises QueryFailed, BadScenario."""
    words, fired = judge.scenario.words, state == "fired"
    pen = _Pen(_values(judge, hit, state))
    # words on causes are about an incident, or about its absence; where neither is sure there is nothing to rule out
    ruled_out, possible = _causes(judge, pen, _span(judge, hit)) if hit.incident or state != "cannot_tell" else ((), ())
    culprit = None
    if fired:
        on = words.culprit_evidence
        who = {key: pen.write(template, on, "not known") for key, template in words.culprit.items()}
        of = belongs(who.get("cgroup", ""))
        culprit = v.Culprit(**who, pod=of.pod_id or "", container=of.container_id or "", evidence=on)
    summary = () if state == "cannot_tell" else _sentences(words.fired if fired else words.quiet, pen)
    impact = _sentences(words.impact, pen) if fired else ()
    not_told = _sentences(words.could_not_tell, pen)
    steps = _steps(judge, pen) if fired else ()
    timeline = _timeline(judge, pen) if fired else ()
    confidence = _confidence(judge, pen, unknown)  # of an answer
    detected = _detected(judge, hit)
    possible += not_told + pen.said(judge)
    return Told(summary, detected, culprit, impact, ruled_out, possible, steps, timeline, confidence)


def _span(judge: Judge, hit: Hit) -> tuple[int, int]:
    """The time an incident's evidence is from: all that its lookups saw; without an incident, everything."""
    if hit.incident is None:
        return judge.start, judge.end
    return max(judge.start, hit.incident.onset_ns - (hit.alarm.over_s - 1) * SECOND), hit.incident.to_ns or judge.end


def _values(judge: Judge, hit: Hit, state: v.State) -> Values:
    """What templates may fill in; see docs/scenarios.md."""
    start, end = _span(judge, hit)
    params = judge.scenario.values
    begun, over = judge.evaluator.recording.window  # the first and the last second may have been watched in part
    span = max(1, min(end, over) - max(start, begun))
    asked: dict[str, int | str] = {"from_ns": start, "to_ns": end, "span_ns": span}
    asked |= {"node": judge.node, "label": hit.label}
    shown = asked | _shown(params)
    values: Values = {}
    for evidence in judge.scenario.evidence:
        query = composed(judge.scenario, evidence.query)
        values[evidence.name] = judge.ask(evidence.name, evidence.title, query, shown, params)
    known = judge.evaluator.recording.info["nodes"].get(judge.node, {})
    facts = {key: known.get(key) for key in ("cpus", "memory_bytes", "kernel", "cgroup_version")}
    return values | {
        "alarm": _alarm_values(hit),
        "node": {"label": judge.node, **facts},
        "window": {
            "from_ns": start, "to_ns": end, "duration_ns": span, "watched": judge.watched,
            "is_scoped": bool(judge.evaluator.recording.info.get("scope")),
        },
        "params": params, "lost": doubts.lost_rows(judge), "recorded": judge.recorded, "state": state,
    }  # fmt: skip


def _alarm_values(hit: Hit) -> Values:
    alarm, incident = hit.alarm, hit.incident
    unit = "count" if alarm.lookup == "count" else hit.track.signal.unit
    worst = incident.peak if incident else (hit.machine.extreme or (None,))[0]
    state = incident.state if incident else "clear"
    return {
        "name": alarm.name, "title": alarm.title, "state": state, "over_s": alarm.over_s, "label": hit.label,
        "peak": "no value" if worst is None else format_value(worst, unit),
        "threshold": format_value(threshold_of(alarm, state).value, unit),
        "clear": format_value((alarm.clear or threshold_of(alarm, "warn")).value, unit),
        "onset_ns": incident.onset_ns if incident else None,
        "raised_ns": incident.raised_ns if incident else None,
        "delay_ns": incident.raised_ns - incident.onset_ns if incident else None,
        "is_over": incident is not None and incident.to_ns is not None,
    }  # fmt: skip


def _shown(params: dict[str, int | float]) -> dict[str, int | str]:
    """Parameters as a verdict shows them: whole numbers and texts."""
    return {k: value if isinstance(value, int) else f"{value:.10g}" for k, value in params.items()}


# ------------------------------------------------------------------------------------------------ detection, timeline


def _detected(judge: Judge, hit: Hit) -> v.Detected:
    alarm, signal, incident = hit.alarm, hit.track.signal, hit.incident
    on = (_signal_evidence(judge, hit),)
    unit = "count" if alarm.lookup == "count" else signal.unit
    rule = condition(alarm, signal, threshold_of(alarm, incident.state if incident else "warn"))
    head = (alarm.name, alarm.title, signal.name, hit.label)
    if incident is None:
        worst, at = hit.machine.extreme or (None, None)
        peak = "no value" if worst is None else format_value(worst, unit)
        near = "there was nothing to count" if worst is None else f"what came nearest was {peak}"
        text = f"The alarm {alarm.name} was not raised: it needs the {rule}; {near}."
        return v.Detected(*head, "clear", rule, peak, at, None, None, None, text, on)
    peak = format_value(incident.peak, unit)
    onset, raised = format_utc(incident.onset_ns, date=False), format_utc(incident.raised_ns, date=False)
    lasted = "it was still on when the recording ended"
    if incident.to_ns is not None:
        lasted = f"it was on until {format_utc(incident.to_ns, date=False)}"
    grown = "critical" if incident.state == "crit" else "warning"
    first = f"first met in the second from {onset}, raised at {raised}"
    text = f"The alarm {alarm.name} went to {grown} by the {rule}: {first}, at its worst {peak}; {lasted} (UTC)."
    ends = incident.onset_ns, incident.raised_ns, incident.to_ns
    return v.Detected(*head, incident.state, rule, peak, incident.peak_second, *ends, text, on)


def _signal_evidence(judge: Judge, hit: Hit) -> str:
    """The signal, second by second, as evidence; its name."""
    signal, series, name = hit.track.signal, hit.series, f"signal_{hit.track.signal.name}"
    if name in judge.evidence:
        return name
    start, end = _span(judge, hit)
    seconds = ((series.start + at * SECOND, whole(value, signal.unit)) for at, value in enumerate(series.values))
    rows = [row for row in seconds if start <= row[0] < end]
    query = composed(judge.scenario, signal.query)
    params = {k: p for k, p in _shown(judge.scenario.values).items() if f"${k}" in query.sql}
    judge.evidence[name] = v.Evidence(
        name, f"{signal.name}, second by second", query.sql, params, ("second", column(signal.unit)),
        tuple(rows[: v.KEEP_ROWS]), len(rows),
    )  # fmt: skip
    return name


def _timeline(judge: Judge, pen: _Pen) -> tuple[v.Moment, ...]:
    doubts.coverage(judge)
    moments = [v.Moment(judge.start, "The recording starts.", ("recording_coverage",)),
               v.Moment(judge.end, "The recording ends.", ("recording_coverage",))]  # fmt: skip
    for hit in judge.hits:
        i, of = hit.incident, f"{hit.alarm.title}{f' [{hit.label}]' if hit.label else ''}"
        assert i is not None
        on = (_signal_evidence(judge, hit),)
        delay = format_duration(i.raised_ns - i.onset_ns)
        moments.append(v.Moment(i.onset_ns, f"{of}: begins.", on))
        moments.append(v.Moment(i.raised_ns, f"{of}: alarm raised, {delay} after it began.", on))
        if i.to_ns is not None:
            moments.append(v.Moment(i.to_ns, f"{of}: over.", on))
    for moment in judge.scenario.words.timeline:
        for row in pen.values[moment.evidence]:
            at = row.get(moment.at)
            if not isinstance(at, int):
                raise BadScenario(f"{moment.text.where}: {moment.evidence} gives no moment as {moment.at}, but {at!r}")
            if text := pen.write(moment.text, (moment.evidence,), row=row):
                moments.append(v.Moment(at, text, (moment.evidence,)))
    return tuple(sorted(moments, key=lambda m: (m.ts_ns, m.text)))


# -------------------------------------------------------------------------------------------------- the scenario's own


def _sentences(sentences: Iterable[Sentence], pen: _Pen) -> tuple[v.Sentence, ...]:
    out = []
    for sentence in sentences:
        if sentence.when is None or sentence.when.is_true(pen.values):
            text = pen.write(sentence.text, sentence.evidence)
            out += [v.Sentence(text, sentence.evidence)] if text else []
    return tuple(out)


def _causes(
    judge: Judge, pen: _Pen, span: tuple[int, int]
) -> tuple[tuple[v.RuledOut, ...], tuple[v.Sentence, ...]]:
    """Those that are ruled out, and those that can't be: it may be them, or what would have shown it was lost."""
    out, possible = [], []
    for cause in judge.scenario.words.ruled_out:
        holds = cause.holds.is_true(pen.values)
        if holds and (lost := doubts.not_ruled_out(judge, cause, *span)):
            possible.append(lost)
        elif holds and (text := pen.write(cause.text, cause.evidence)):
            out.append(v.RuledOut(cause.name, text, cause.evidence))
        elif text := pen.write(cause.otherwise, cause.evidence):
            possible.append(v.Sentence(text, cause.evidence))
    return tuple(out), tuple(possible)


def _steps(judge: Judge, pen: _Pen) -> tuple[v.Step, ...]:
    out = []
    for step in judge.scenario.words.next_steps:
        if step.when is None or step.when.is_true(pen.values):
            text = pen.write(step.text, step.evidence)
            check = pen.write(step.check, step.evidence) if step.check else ""
            out += [v.Step(text, check, step.evidence)] if text else []
    return tuple(out)


def _confidence(judge: Judge, pen: _Pen, unknown: list[v.Sentence]) -> v.Confidence:
    level: Literal["high", "medium", "low"] = "high"
    reasons: list[v.Sentence] = []
    for doubt in judge.scenario.words.doubts:
        if doubt.when.is_true(pen.values):
            text = pen.write(doubt.text, doubt.evidence)
            reasons += [v.Sentence(text, doubt.evidence)] if text else []
            level = "low" if "low" in (level, doubt.level) else "medium"
    if unknown and level == "high":
        level = "medium"
        if all(sentence.evidence == doubts.LOSS for sentence in unknown):
            text = "Something was lost; it can't have turned the answer."
        elif pen.values["state"] == "fired":
            text = "Not everything was watched; what was seen is enough to say that it happened."
        else:
            text = "Not everything was watched, as told above; what happened there is not known."
        reasons.append(v.Sentence(text, tuple(dict.fromkeys(name for s in unknown for name in s.evidence))))
    if not reasons:
        text = f"{judge.watched} seconds were watched whole, and nothing was lost."
        reasons.append(v.Sentence(text, (*doubts.coverage(judge), *doubts.loss(judge))))
    return v.Confidence(level, tuple(reasons))
