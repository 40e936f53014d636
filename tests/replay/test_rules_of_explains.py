"""Each rule by which a shipped scenario explains another's trouble: it holds where the evidence connects the two."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import santabpf as sb
from santabpf.replay.explain import explanations
from santabpf.scenarios import all_scenarios, get_scenario
from santabpf.shipped import shipped
from santabpf.verdict import Verdict

RULES = [(name, rule.scenario) for name, scenario in all_scenarios().items() for rule in scenario.explains]
#: A recording in which the scenario fires; its name, where nothing stands here.
FIRES = {
    "accept_queue": "accept_queue_overflow", "cpu_steal": "cpu_steal_synthetic", "fd_exhaustion": "fd_exhaustion_accept"
}  # fmt: skip
#: Rules that ask only how much it is; what else connects the two is told below.
ALWAYS = {("cpu_steal", "cpu_saturation")}


@cache
def fired(name: str) -> Verdict:
    (verdict,) = sb.replay(sb.open(shipped("recordings") / FIRES.get(name, name)), [name]).verdicts
    assert verdict.state == "fired"
    return verdict


def first(verdict: Verdict, name: str, column: str) -> Any:
    evidence = verdict.find(name)
    return evidence.rows[0][evidence.columns.index(column)]


def changed(verdict: Verdict, name: str, **cells: Any) -> Verdict:
    """With other cells in the first row of that evidence."""
    old = verdict.find(name)
    row = tuple(cells.get(column, cell) for column, cell in zip(old.columns, old.rows[0], strict=True))
    new = replace(old, rows=(row, *old.rows[1:]))
    return replace(verdict, evidence=tuple(new if e is old else e for e in verdict.evidence))


def connected(cause: Verdict, symptom: Verdict) -> Verdict:
    """The symptom, as it would be if the cause had brought it about."""
    assert symptom.culprit is not None
    match cause.scenario, symptom.scenario:
        case "accept_queue", "tcp_loss":
            return changed(symptom, "sent_to", port=first(cause, "listener", "port"))
        case "cpu_throttling", _:
            inside = first(cause, "totals", "limited_cgroup") + "/web"
            return replace(symptom, culprit=replace(symptom.culprit, cgroup=inside))
        case "crash_loop", "short_lived_jobs":
            return changed(symptom, "programs", comm=first(cause, "services", "comm"))
        case "cpu_saturation" | "crash_loop" | "short_lived_jobs", "cpu_usage":
            return changed(symptom, "totals", busy_ns=1)
        case "fd_exhaustion", "accept_queue":
            return changed(symptom, "listener", port=first(cause, "examples", "local_port"))
        case "fd_exhaustion", "tcp_loss":
            return changed(symptom, "sent_to", port=first(cause, "examples", "local_port"))
        case "memory_usage", "oom_kill":
            return changed(symptom, "victims", comm=first(cause, "users", "comm"))
        case "oom_kill", "crash_loop":
            return changed(symptom, "services", comm=first(cause, "programs", "comm"), deaths=1)
        case "slow_fsync", "event_loop_blocked":
            return changed(symptom, "loops", tid=first(cause, "waiters", "tid"), held_ns=1)
    return symptom


def unconnected(symptom: Verdict) -> Verdict:
    """The symptom of something else, elsewhere, and far more of it."""
    assert symptom.culprit is not None
    other: dict[str, dict[str, Any]] = {
        "tcp_loss": {"sent_to": {"port": 1}}, "accept_queue": {"listener": {"port": 1}},
        "short_lived_jobs": {"programs": {"comm": "other"}}, "cpu_usage": {"totals": {"busy_ns": 10**15}},
        "oom_kill": {"victims": {"comm": "other"}}, "crash_loop": {"services": {"comm": "other"}},
        "event_loop_blocked": {"loops": {"tid": 1}},
    }  # fmt: skip
    for name, cells in other.get(symptom.scenario, {}).items():
        symptom = changed(symptom, name, **cells)
    return replace(symptom, culprit=replace(symptom.culprit, cgroup="/elsewhere"))


@pytest.mark.parametrize(("cause", "symptom"), RULES, ids=lambda name: str(name))
def test_a_rule_holds_where_the_evidence_connects_the_two_and_else_not(cause: str, symptom: str) -> None:
    a, b = fired(cause), fired(symptom)
    assert a.detected is not None
    assert b.detected is not None
    b = replace(b, node=a.node, detected=replace(b.detected, onset_ns=a.detected.onset_ns, to_ns=None))
    scenarios, notes = [get_scenario(cause), replace(get_scenario(symptom), explains=())], list[str]()
    (found,) = explanations([a, connected(a, b)], scenarios, notes)
    assert (found.cause, found.symptom) == (cause, symptom)
    assert set(found.evidence) <= {evidence.name for evidence in a.evidence}
    assert "?" not in found.text
    is_told = bool(explanations([a, unconnected(b)], scenarios, notes))
    assert is_told == ((cause, symptom) in ALWAYS)
    assert notes == []
