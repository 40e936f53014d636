"""Which trouble brought about which, where several scenarios fired on one node.

In: verdicts, and the `explains` rules of their scenarios. Out: Explanations, causes before symptoms. Never: changes a
verdict; holds a cause to be one that began after what it would explain, or was over before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import BadScenario
from ..scenarios import Explains, NoRow, Scenario
from ..units import SECOND
from ..verdict import Detected, Verdict

#: Seconds are edges: what caused it may be seen in the second after.
SLACK_NS = 3 * SECOND


@dataclass(frozen=True)
class Explanation:
    """On this node, the one brought about the other; the evidence is the cause's."""

    cause: str
    symptom: str
    node: str
    text: str
    evidence: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "evidence": list(self.evidence)}


def explanations(
    verdicts: Sequence[Verdict], scenarios: Iterable[Scenario], notes: list[str] | None = None
) -> tuple[Explanation, ...]:
    """All that the rules say of those that fired. A rule that is broken says nothing, and a note says so."""
    rules = {scenario.name: scenario.explains for scenario in scenarios}
    fired = [(v, v.detected) for v in verdicts if v.state == "fired" and v.detected is not None]
    fired.sort(key=lambda pair: (pair[1].onset_ns or 0, pair[0].scenario, pair[0].node))
    found: list[Explanation] = []
    for cause, begun in fired:
        for rule in rules.get(cause.scenario, ()):
            for symptom, seen in fired:
                if symptom.scenario != rule.scenario or symptom.node != cause.node or not _could(begun, seen):
                    continue
                try:
                    text = _told(rule, _values(cause, symptom, seen))
                except BadScenario as exc:
                    if notes is not None:
                        notes.append(f"Whether {cause.scenario} explains {symptom.scenario} can't be told: {exc}")
                    continue
                if text and not _leads(found, symptom.node, symptom.scenario, cause.scenario):
                    found.append(Explanation(cause.scenario, symptom.scenario, cause.node, text, rule.evidence))
    return tuple(found)


def _told(rule: Explains, values: dict[str, Any]) -> str:
    """The rule's words where it holds; '' where it does not, or where the evidence does not tell."""
    try:
        return rule.text.render(values) if rule.when.is_true(values) else ""
    except NoRow:
        return ""


def _could(cause: Detected, symptom: Detected) -> bool:
    """It began before the symptom was raised, and was not over before that began."""
    if cause.onset_ns is None or symptom.onset_ns is None:
        return False
    return cause.onset_ns <= symptom.onset_ns + SLACK_NS and (cause.to_ns is None or cause.to_ns > symptom.onset_ns)


def _values(cause: Verdict, symptom: Verdict, seen: Detected) -> dict[str, Any]:
    who = {} if symptom.culprit is None else {k: v for k, v in asdict(symptom.culprit).items() if k != "evidence"}
    moments = {"onset_ns": seen.onset_ns, "raised_ns": seen.raised_ns, "to_ns": seen.to_ns}
    return _rows(cause) | {
        "symptom": {"title": symptom.title, "label": seen.label, "peak": seen.peak, "culprit": who, **moments}
        | {"rows": _rows(symptom)}
    }


def _rows(verdict: Verdict) -> dict[str, Any]:
    return {e.name: [dict(zip(e.columns, row, strict=True)) for row in e.rows] for e in verdict.evidence}


def _leads(found: Iterable[Explanation], node: str, start: str, end: str) -> bool:
    """Does `start` explain `end` already, itself or through others? Nothing is its own cause."""
    edges = [(e.cause, e.symptom) for e in found if e.node == node]
    reached, new = set[str](), {start}
    while new:
        reached |= new
        new = {symptom for cause, symptom in edges if cause in new} - reached
    return end in reached
