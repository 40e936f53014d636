"""Hostile text is shown as text, wherever it is shown."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import HOSTILE

from santabpf.display.escape import html_prose, html_text, markdown_text, plotly_text, shorten, visible


class Tags(HTMLParser):
    """Collects the tags and the text of a piece of HTML."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_markup_in_html(text: str) -> None:
    parsed = Tags(html_text(text))
    assert parsed.tags == []
    assert parsed.text == visible(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_markup_in_markdown(text: str) -> None:
    parsed = Tags(mistune.create_markdown(escape=False, plugins=["table", "url"])(markdown_text(text)))  # type: ignore[arg-type]
    assert set(parsed.tags) <= {"p"}
    assert parsed.text.strip() == visible(text)


@given(st.text(st.sampled_from("ab1 \t.-+=:/|#>*_`~![](){}<&;\"'$^@\\")).map(str.strip))
def test_no_text_is_markup_in_markdown(text: str) -> None:
    parsed = Tags(mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough"])(markdown_text(text)))  # type: ignore[arg-type]
    assert set(parsed.tags) <= {"p"}
    assert parsed.text.strip().split() == visible(text).split()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_neither_tag_nor_formula_nor_template_in_plotly(text: str) -> None:
    label = plotly_text(text)
    assert not set(label) & set("<>$\"'\n\x1b")
    assert "%{" not in label
    assert html.unescape(label) == visible(text)


@given(st.text())
def test_nothing_that_acts_on_a_terminal_is_left(text: str) -> None:
    shown = visible(text)
    assert all(c.isprintable() or c.isspace() for c in shown if ord(c) < 0x100)
    assert not set(shown) & {"\n", "\r", "\x1b", "\u202e", "\u200b", "\x9b"}


@given(st.text())
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert visible(visible(text)) == visible(text)


def test_bytes_that_are_no_text_keep_their_escapes() -> None:
    assert visible("caf\\xff") == "caf\\xff"
    assert visible("a\udc80b") == "a\\udc80b"


def test_code_between_backticks_is_set_as_code_and_nothing_else() -> None:
    assert html_prose("run `ls <x>` now") == "run <code>ls &lt;x&gt;</code> now"


def test_a_cut_is_shown() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"
