"""The sections of a postmortem: what they say when there is much, one, or nothing to say."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import synthetic

import santabpf as sb
from santabpf import postmortem
from santabpf.display import Figure, Lanes, Words
from santabpf.recording import Recording
from santabpf.replay import Result

NOTHING = Result((), (), ())


@pytest.fixture(scope="module")
def rec(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return sb.open(synthetic.record(tmp_path_factory.mktemp("sections") / "friday", jobs=40, hostile=True))


@pytest.fixture(scope="module")
def result(rec: Recording) -> Result:
    return sb.replay(rec, ["short_lived_jobs"])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    every = ["exec", "exit", "fork", "processes", "process_cpu", "runq"]
    return sb.open(synthetic.record(tmp_path_factory.mktemp("bare") / "monday", jobs=0, without=every))


def test_the_summary_says_state_window_and_what_matters(rec: Recording, result: Result) -> None:
    text = str(postmortem.summary(rec, result))
    assert text.startswith(
        "Recording friday of node-1 (Linux 6.18): 2026-05-01 12:00:00.000 to 12:00:30.000 UTC, 30 s.")
    assert "[FIRED] Short-lived jobs burn CPU" in text
    assert "Began (UTC): 12:00:0" in text
    assert "Confidence: medium" in text


def test_each_sentence_of_the_cause_opens_to_its_query_and_rows(result: Result) -> None:
    page = postmortem.cause(result).html()
    verdict = result.verdicts[0]
    for sentence in verdict.summary:
        for name in sentence.evidence:
            evidence = verdict.find(name)
            assert evidence.title.replace("'", "&#x27;") in page
            assert evidence.sql.strip().splitlines()[-1].strip()[:30].replace("'", "&#x27;") in page
    assert re.search(r"\$from_ns = \d{19} \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\)", page)


def test_the_timeline_is_in_order_and_tells_of_gaps(rec: Recording, result: Result) -> None:
    lines = str(postmortem.timeline(rec, result)).split("\n")[1:]
    assert lines == sorted(lines)
    assert lines[0].endswith("recording starts.")
    assert any("Nothing is known of exec for 1 s (bad frame)." in line for line in lines)


def test_a_step_says_how_to_see_that_it_worked(result: Result) -> None:
    assert "To see that it worked: " in str(postmortem.next_steps(result))


def test_several_nodes_are_told_apart(rec: Recording, result: Result) -> None:
    other = dataclasses.replace(result.verdicts[0], node="node-2", state="cannot_tell")
    both = dataclasses.replace(result, verdicts=(other, *result.verdicts))
    text = str(postmortem.summary(rec, both))
    assert text.index("[FIRED] Short-lived jobs burn CPU on node-1") < text.index(
        "[CANNOT TELL] Short-lived jobs burn CPU on node-2")
    assert "<h3>Short-lived jobs burn CPU on node-2</h3>" in postmortem.cause(both).html()


def test_the_signals_draw_their_thresholds(result: Result) -> None:
    figure = postmortem.signals(result)
    assert isinstance(figure, Figure)
    texts = [a["text"] for a in figure.spec["layout"]["annotations"]]
    assert "warns<br>above 5%" in texts
    assert "critical<br>above 25%" in texts


def test_without_verdicts_every_section_says_so_in_a_sentence(rec: Recording) -> None:
    for section in (postmortem.impact, postmortem.cause, postmortem.detected, postmortem.ruled_out,
                    postmortem.not_told, postmortem.next_steps):
        assert len(str(section(NOTHING))) > 20
    assert "No scenario was judged" in str(postmortem.summary(rec, NOTHING))
    assert "No signals" in str(postmortem.signals(NOTHING).spec)


def test_without_tables_every_picture_is_a_note(bare: Recording) -> None:
    for section in (postmortem.processes(bare, NOTHING), postmortem.commands(bare), postmortem.run_queue(bare)):
        assert isinstance(section, Words)
        assert len(str(section)) > 20
    assert "Rows kept" in str(postmortem.receipt(bare, NOTHING))


def test_with_tables_the_pictures_are_drawn(rec: Recording, result: Result) -> None:
    lanes = postmortem.processes(rec, result)
    assert isinstance(lanes, Lanes)
    assert lanes.payload()["spans"][0][2] in ("warn", "crit")
    assert isinstance(postmortem.run_queue(rec), Figure)


def test_what_a_terminal_prints_can_do_no_harm(rec: Recording, result: Result, tmp_path: Path) -> None:
    for section in (postmortem.summary(rec, result), postmortem.cause(result), postmortem.commands(rec),
                    postmortem.timeline(rec, result), postmortem.receipt(rec, result)):
        assert not set(str(section)) & {"\x1b", "\u202e", "\r"}
