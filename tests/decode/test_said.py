"""Texts that a node said: of a sane length, and to be read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from santabpf.decode.said import TEXT_CHARACTERS, text


def test_a_long_text_ends_after_a_whole_word() -> None:
    words = [f"word{n}" for n in range(400)]
    cut = text("this kernel has no " + ", ".join(words))
    assert cut is not None
    assert TEXT_CHARACTERS - 20 < len(cut) <= TEXT_CHARACTERS
    assert cut.endswith("...")
    assert cut.removesuffix("...").rpartition(" ")[2] in words


def test_null_and_short_texts_stay_and_a_word_without_an_end_is_cut() -> None:
    assert (text(None), text("no tracepoint x"), text(7)) == (None, "no tracepoint x", "7")
    assert text("x" * 2 * TEXT_CHARACTERS) == "x" * (TEXT_CHARACTERS - 3) + "..."


@given(st.text() | st.text(st.sampled_from(" ,;:|x\ud800"), max_size=3000, min_size=900))
def test_any_text_has_a_sane_length_and_can_be_written(said: str) -> None:
    kept = text(said)
    assert kept is not None
    assert len(kept.encode()) <= 4 * TEXT_CHARACTERS
