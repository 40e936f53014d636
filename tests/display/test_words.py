"""Words: one value, three renderings, nothing unescaped in any."""

from __future__ import annotations

import mistune
import pytest
from synthetic import HOSTILE
from test_escape import Tags

from santabpf.display import Badge, Details, Note, Paragraph, Steps, Table, Tiles, Words
from santabpf.display.escape import visible
from santabpf.display.words import Block, Code, Col, Heading, Tile

TAGS = {"div", "p", "h3", "pre", "code", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "caption",
        "details", "summary", "span"}


def every_block(text: str) -> list[Block]:
    return [
        Badge("fired", text, text), Paragraph(text), Note(text), Heading(text), Code(f"select 1\n-- {text}"),
        Steps([text, text], ordered=True), Tiles([Tile(text, text, text)]),
        Table([Col(text), Col("n", "number"), Col("c", "code"), Col("b", "bar")], [[text, text, text, (text, 0.5)]],
              note=text, caption=text),
        Details(text, [Paragraph(text)], text), Table([Col("a")], [], empty=text),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_in_every_block_and_rendering(text: str) -> None:
    words = Words(*every_block(text))
    page = Tags(words.html())
    assert set(page.tags) <= TAGS
    assert page.text.count(visible(text)) >= 14
    rendered = Tags(mistune.create_markdown(escape=False, plugins=["table", "url"])(words.markdown()))  # type: ignore[arg-type]
    assert set(rendered.tags) <= TAGS | {"strong", "em"}
    assert "\x1b" not in str(words)
    assert "\u202e" not in str(words)


def test_the_bundle_holds_html_markdown_and_text() -> None:
    bundle = Words(Note("It is `so`."))._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/markdown", "text/plain"}
    assert bundle["text/html"].endswith('<p class="santa-note">It is <code>so</code>.</p></div>')
    assert bundle["text/plain"] == "It is `so`."


@pytest.mark.parametrize(("state", "shown"), [("fired", "Fired"), ("quiet", "Quiet"), ("cannot_tell", "Cannot tell")])
def test_a_state_is_said_in_a_word(state: str, shown: str) -> None:
    badge = Badge(state, "title", "sentence")
    assert f">{shown}<" in badge.html()
    assert shown.upper() in badge.markdown()
    assert shown.upper() in badge.text()


def test_a_table_is_aligned_in_a_terminal() -> None:
    table = Table([Col("command"), Col("n", "number")], [["sh", "5"], ["backup.sh", "1 234"]])
    assert table.text().split("\n") == ["command        n", "sh             5", "backup.sh  1 234"]


def test_an_empty_table_is_its_note_unless_people_fill_it_in() -> None:
    assert "nothing here" in Table([Col("a")], [], empty="nothing here").html()
    assert Table([Col("Action"), Col("Owner")], [], keep_empty=True).html().count("<tr") == 4


def test_what_is_told_keeps_its_name_however_long_the_words_are() -> None:
    told = Words(Table([Col("what", "told")], [[("wait " * 30, "runq, wait_ns")]]))
    assert '<div class="santa-hint">runq, wait_ns</div>' in told.html()
    assert str(told).splitlines()[1].endswith("… (runq, wait_ns)")
    assert len(str(told).splitlines()[1]) < 80
    assert "wait (runq, wait" in told.markdown().replace("wait  (", "wait (")


def test_a_cell_without_code_has_no_box() -> None:
    shown = Words(Table([Col("of", "code")], [[""], ["comm x"]])).html()
    assert shown.count("<code>") == 1
    assert "<td></td>" in shown


def test_a_row_that_does_not_fit_its_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="argument"):
        Table([Col("a"), Col("b")], [["only one"]]).html()


def test_a_sentence_without_evidence_does_not_pretend_to_open() -> None:
    assert "<details" not in Details("No evidence needed.").html()
