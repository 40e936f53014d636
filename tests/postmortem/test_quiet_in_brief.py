"""Where several scenarios were judged, what is quiet takes a line each, and nothing of it is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

import santabpf as sb
from santabpf import postmortem
from santabpf.display.words import Badge, Details, Heading, Table
from santabpf.replay import Result


@pytest.fixture(scope="module")
def rec() -> sb.Recording:
    return sb.open("recordings/quiet_idle")


@pytest.fixture(scope="module")
def result(rec: sb.Recording) -> Result:
    return sb.replay(rec)


def test_the_summary_has_one_badge_and_one_table(rec: sb.Recording, result: Result) -> None:
    blocks = postmortem.summary(rec, result).blocks
    assert [b.title for b in blocks if isinstance(b, Badge)] == ["No trouble was found"]
    (table,) = (b for b in blocks if isinstance(b, Table))
    assert [row[0] for row in table.rows] == [v.title for v in result.ranked]
    for verdict, row in zip(result.ranked, table.rows, strict=True):
        assert verdict.detected is not None
        assert verdict.detected.peak in row


def test_each_opens_to_all_the_evidence_of_its_sentences(result: Result) -> None:
    blocks = postmortem.cause(result).blocks
    assert [type(b) for b in blocks] == [Heading, *[Details] * len(result.verdicts)]
    for verdict, block in zip(result.ranked, blocks[1:], strict=True):
        assert block.lead == f"{verdict.title}."
        assert all(sentence.text in block.sentence for sentence in verdict.summary)
        assert all(verdict.find(name).title in block.html() for s in verdict.summary for name in s.evidence)


def test_what_several_could_not_tell_is_said_once(result: Result) -> None:
    told = [s.text for v in result.verdicts for s in v.could_not_tell]
    assert len(told) > len(set(told))
    assert sorted(b.sentence for b in postmortem.not_told(result).blocks) == sorted(set(told))


def test_one_alone_is_told_in_full(rec: sb.Recording, result: Result) -> None:
    alone = Result(result.verdicts[:1], (), ())
    badges = [b for b in postmortem.summary(rec, alone).blocks if isinstance(b, Badge)]
    assert [b.title for b in badges] == [alone.verdicts[0].title]


def test_those_that_fired_stand_in_full_before_them(rec: sb.Recording, result: Result) -> None:
    loud = replace(result.verdicts[0], state="fired")
    blocks = postmortem.summary(rec, Result((loud, *result.verdicts[1:]), (), ())).blocks
    assert [b.title for b in blocks if isinstance(b, Badge)] == [loud.title]
    assert isinstance(blocks[-1], Table)
    assert loud.title not in [row[0] for row in blocks[-1].rows]
