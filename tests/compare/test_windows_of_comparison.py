"""Windows as people write them, and the pieces into which quiet ones are cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from planted_moments import START, S, by_chance, moment

import santabpf as sb
from santabpf.compare import Window, span, window
from santabpf.compare.windows import pieces
from santabpf.errors import BadUsage, RecordingError
from santabpf.recording import Recording


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """60 whole seconds from 12:00:00 UTC."""
    rows = {"exec": by_chance(1, 60, 5, {"comm": "x"})}
    return sb.open(moment(tmp_path_factory.mktemp("windows") / "friday", 60, rows))


def seconds(found: Window) -> tuple[int, int]:
    return (found.from_ns - START) // S, (found.to_ns - START) // S


@pytest.mark.parametrize(("text", "wanted"), [
    (None, (0, 60)), ("5s..20s", (5, 20)), ("5..20", (5, 20)), ("5.5s..20.5s", (6, 20)), ("5s..", (5, 60)),
    ("..20s", (0, 20)),
    ("12:00:05..12:00:20", (5, 20)), ("2026-05-01 12:00:05..12:00:20", (5, 20)), ("2026-05-01T12:00:05Z..1m", (5, 60)),
    ("11:59:00..12:00:10", None), ("5s..1h", (5, 60)),
])  # fmt: skip
def test_a_window_as_one_writes_it(recording: Recording, text: str | None, wanted: tuple[int, int] | None) -> None:
    if wanted is None:
        with pytest.raises(BadUsage, match="no moment"):
            span(recording, text)
    else:
        assert seconds(span(recording, text)) == wanted


@pytest.mark.parametrize(("text", "said"), [
    ("5s", "like 5s..20s"), ("yesterday..now", "'yesterday' is no moment"), ("20s..5s", "no whole second"),
    ("5.1s..5.9s", "no whole second"), ("2h..3h", "no whole second in that window: it was recorded from 2026-05-01"),
])  # fmt: skip
def test_a_window_that_is_none_is_refused_in_a_sentence(recording: Recording, text: str, said: str) -> None:
    with pytest.raises(BadUsage, match=said):
        span(recording, text)


def test_what_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such recording"):
        window(tmp_path / "nowhere")


def test_quiet_time_is_cut_into_eight_pieces_without_gap_or_overlap(recording: Recording) -> None:
    (cut,) = pieces([window(recording)])
    assert [piece.number for piece in cut] == list(range(1, len(cut) + 1))
    assert cut[0].from_ns == START
    assert cut[-1].to_ns == START + 60 * S
    assert all(one.to_ns == two.from_ns for one, two in pairwise(cut))
    assert len(cut) == 7
    first, second = pieces([span(recording, "0s..10s"), span(recording, "20s..23s")])
    assert [piece.number for piece in second] == [len(first) + 1]


def test_a_window_says_when_it_is(recording: Recording) -> None:
    assert str(span(recording, "5s..20s")) == "friday, 2026-05-01 12:00:05 to 12:00:20 UTC (15 s)"
