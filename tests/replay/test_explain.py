"""Cause before symptom, where the evidence tells; nothing is its own cause."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from santabpf import cards, postmortem
from santabpf.cli.shared import print_result
from santabpf.postmortem import Incident
from santabpf.recording import open as open_recording
from santabpf.replay import Result, replay
from santabpf.replay.explain import explanations
from santabpf.scenarios import Explains, Scenario, Template, get_scenario
from santabpf.units import SECOND
from santabpf.verdict import Verdict

ROOT = Path(__file__).parents[2]
HERE = Path("scenario.yaml")


@pytest.fixture(scope="module")
def fired() -> Verdict:
    """A real verdict; the others of these tests are it under other names and at other times."""
    return replay(open_recording(ROOT / "recordings" / "short_lived_jobs"), ["short_lived_jobs"]).verdicts[0]


def verdict(fired: Verdict, name: str, onset_s: int = 0, to_s: int | None = None, node: str = "node-1") -> Verdict:
    seen = fired.detected
    assert seen is not None
    assert seen.onset_ns is not None
    moved = seen.onset_ns + onset_s * SECOND
    end = None if to_s is None else seen.onset_ns + to_s * SECOND
    return replace(fired, scenario=name, node=node, detected=replace(seen, onset_ns=moved, to_ns=end))


def scenario(name: str, *explained: str, when: str = "totals[0].jobs > 1") -> Scenario:
    rules = tuple(
        Explains(
            other,
            Template(when, HERE, "explains.if", 1, True),
            Template("{{ totals[0].jobs }} jobs; peak {{ symptom.peak }}.", HERE, "explains.text", 1),
            ("totals",),
        )
        for other in explained
    )
    return replace(get_scenario("short_lived_jobs"), name=name, explains=rules)


def edges(verdicts: list[Verdict], *scenarios: Scenario) -> list[tuple[str, str]]:
    return [(e.cause, e.symptom) for e in explanations(verdicts, scenarios)]


def test_a_cause_that_its_evidence_bears_out_explains_the_symptom_with_its_numbers(fired: Verdict) -> None:
    a, b = verdict(fired, "loop"), verdict(fired, "busy", onset_s=1)
    (found,) = explanations([b, a], [scenario("loop", "busy"), scenario("busy")])
    jobs = dict(zip(fired.find("totals").columns, fired.find("totals").rows[0], strict=True))["jobs"]
    assert fired.detected is not None
    assert (found.cause, found.symptom, found.evidence) == ("loop", "busy", ("totals",))
    assert found.text == f"{jobs} jobs; peak {fired.detected.peak}."
    assert edges([a, b], scenario("loop", "busy", when="totals[0].jobs < 1")) == []


@pytest.mark.parametrize(
    ("cause", "symptom", "explains"),
    [((0, None), (3, None), True), ((3, None), (0, None), True), ((4, None), (0, None), False),
     ((0, 2), (3, None), False), ((0, 4), (3, None), True)],
)  # fmt: skip
def test_a_cause_begins_before_and_lasts_until_its_symptom_begins(
    fired: Verdict, cause: tuple[int, int | None], symptom: tuple[int, int | None], explains: bool
) -> None:
    verdicts = [verdict(fired, "loop", *cause), verdict(fired, "busy", *symptom)]
    assert bool(edges(verdicts, scenario("loop", "busy"))) is explains


def test_another_node_and_a_quiet_verdict_explain_nothing(fired: Verdict) -> None:
    a = verdict(fired, "loop")
    assert edges([a, verdict(fired, "busy", node="node-2")], scenario("loop", "busy")) == []
    assert edges([replace(a, state="quiet"), verdict(fired, "busy")], scenario("loop", "busy")) == []


def test_two_that_would_explain_each_other_are_told_by_the_one_that_began_first(fired: Verdict) -> None:
    verdicts = [verdict(fired, "a", 1), verdict(fired, "b", 0), verdict(fired, "c", 2)]
    rules = scenario("a", "b", "c"), scenario("b", "a"), scenario("c", "b")
    assert edges(verdicts, *rules) == [("b", "a"), ("a", "c")]


def test_causes_are_read_first_then_what_they_explain_then_the_rest(fired: Verdict) -> None:
    cause, symptom = verdict(fired, "z_cause"), verdict(fired, "a_symptom", 1)
    unknown, quiet = replace(verdict(fired, "b"), state="cannot_tell"), replace(verdict(fired, "a"), state="quiet")
    why = explanations([cause, symptom], [scenario("z_cause", "a_symptom")])
    result = Result((quiet, unknown, symptom, cause), (), (), why)
    assert [v.scenario for v in result.ranked] == ["z_cause", "a_symptom", "b", "a"]
    assert [e.cause for e in result.explained(symptom)] == ["z_cause"]
    assert result.explained(cause) == ()


def test_terminal_notebook_and_page_tell_alike_what_brought_about_what_and_what_else_was_seen(
    fired: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("z_cause", "a_symptom", "a_stranger")
    cause, symptom, stranger = (replace(verdict(fired, name, at), title=name) for at, name in enumerate(names))
    (why,) = explanations([cause, symptom, stranger], [scenario("z_cause", "a_symptom")])
    result = Result((stranger, symptom, cause), (), (), (why,))
    assert [v.scenario for v in result.ranked] == list(names)
    besides = "Also seen beside: z_cause. Nothing recorded says that one brought the other about."
    assert [result.beside(v) for v in result.ranked] == [(), (f"Brought about by: z_cause. {why.text}",), (besides,)]
    recording = open_recording(ROOT / "recordings" / "short_lived_jobs")
    incident = Incident([recording], ["short_lived_jobs"])
    incident.parts = [(recording, result, clocks) for _, _, clocks in incident.parts]
    print_result(result, as_json=False)
    shown = [result, cards.result(result), postmortem.summary(recording, result), postmortem.overview(incident)]
    for text in (capsys.readouterr().out, *map(str, shown)):
        told = [line.strip() for line in text.splitlines() if line.strip().startswith(("Brought about", "Also seen"))]
        assert told == [f"Brought about by: z_cause. {why.text}", besides]


def test_of_several_without_a_cause_all_but_the_first_of_a_node_were_also_seen(fired: Verdict) -> None:
    a, b = replace(verdict(fired, "a"), title="a"), replace(verdict(fired, "b"), title="b")
    elsewhere = verdict(fired, "c", node="node-2")
    result = Result((elsewhere, b, a), (), ())
    assert [bool(result.beside(v)) for v in (a, b, elsewhere)] == [False, True, False]
    assert result.also_seen == (b,)
    quiet = Result((replace(b, state="quiet"), a), (), ())
    assert [quiet.beside(v) for v in quiet.verdicts] == [(), ()]


def test_a_rule_that_is_broken_says_nothing_and_is_told(fired: Verdict) -> None:
    a, b = verdict(fired, "loop"), verdict(fired, "busy", onset_s=1)
    notes: list[str] = []
    assert explanations([a, b], [scenario("loop", "busy", when="totals[0].jbos > 1"), scenario("busy")], notes) == ()
    (note,) = notes
    assert note.startswith("Whether loop explains busy can't be told: scenario.yaml:1: explains.if: ")
    assert "did you mean 'jobs'?" in note
