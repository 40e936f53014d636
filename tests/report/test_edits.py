"""What people write into a postmortem is kept when it is made again, and can do no harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

import santabpf as sb
from santabpf.errors import BadUsage
from santabpf.recording import Recording
from santabpf.report.edits import from_file, put_in, without_markup

SHIPPED = Path(__file__).parents[2] / "notebooks" / "postmortem.ipynb"
SECTIONS = ["summary", "impact", "action-items", "lessons"]


def cells(path: Path) -> dict[str, Any]:
    return {tag.removeprefix("edit-"): cell for cell in nbformat.read(path, as_version=4).cells
            for tag in cell.metadata.get("tags", []) if tag.startswith("edit-")}


def write_over(path: Path, section: str, text: str) -> None:
    """As people do in JupyterLab."""
    book = nbformat.read(path, as_version=4)
    next(c for c in book.cells if f"edit-{section}" in c.metadata.get("tags", [])).source = text
    nbformat.write(book, path)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A small notebook with two sections, one of them beside a code cell."""
    v4 = nbformat.v4
    made = v4.new_notebook(cells=[
        v4.new_code_cell('recording = ""\nscenarios = None\nlimit = 1', metadata={"tags": ["parameters"]}),
        v4.new_markdown_cell("## Summary"), v4.new_markdown_cell("*Say it.*", metadata={"tags": ["edit-summary"]}),
        v4.new_code_cell("print('limit is', limit)"),
        v4.new_markdown_cell("## Lessons"),
        v4.new_markdown_cell("*Learn.*\n\n| a |\n| --- |\n|  |", metadata={"tags": ["edit-lessons"]}),
    ], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    path = tmp_path / "mine.ipynb"
    nbformat.write(made, path)
    return path


def test_both_notebooks_have_the_same_sections_for_people() -> None:
    assert list(cells(SHIPPED)) == SECTIONS
    assert list(cells(SHIPPED.with_name("incident.ipynb"))) == SECTIONS


def test_words_survive_a_run_with_other_parameters_and_prompts_are_not_shown(
    recording: Recording, book: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.html"
    first = sb.report(recording, out, notebook=book)
    page = first.path.read_text()
    assert "Say it." not in page
    assert page.count("Not written yet.") == 1, "a section with nothing else in it says so, another shows its rest"
    assert cells(first.notebook_path)["summary"].source == "*Say it.*"
    write_over(first.notebook_path, "summary", "We ran **out** of disk <img src=x onerror=alert(1)>.")
    write_over(first.notebook_path, "lessons", "*Learn.*\n\n| a |\n| --- |\n| [test](javascript:alert(1)) `a < b` |")
    again = sb.report(recording, out, notebook=book, parameters={"limit": 2}, formats=["html", "md"])
    page, text = (path.read_text() for path in again.paths)
    assert "limit is 2" in page
    assert "We ran <strong>out</strong> of disk" in page
    assert "<td><a" in page
    assert "<code>a &lt; b</code>" in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page
    assert "We ran **out** of disk &lt;img" in text
    assert "](#javascript:" in text
    assert "`a < b`" in text
    assert "Learn." not in page + text
    assert "Not written yet." not in page + text
    assert cells(again.notebook_path)["summary"].source.startswith("We ran **out**")


def test_a_file_of_edits_is_found_beside_the_recording_and_by_its_name(
    recording: Recording, book: Path, tmp_path: Path
) -> None:
    beside = recording.path.with_name(f"{recording.name}.edits.md")
    beside.write_text("# Friday\n\n## Summary\n\nThe disk.\n\n## Lessons ##\n\n```\n## not a heading\n```\n")
    try:
        made = sb.report(recording, tmp_path / "x.md", notebook=book)
    finally:
        beside.unlink()
    text = made.path.read_text()
    assert "The disk." in text
    assert "```\n## not a heading\n```" in text
    assert cells(made.notebook_path)["summary"].metadata["santabpf"]["written"] is True


@pytest.mark.parametrize(("notebook_says", "file_said", "file_says", "wanted"), [
    (None, "", "F", "F"), ("N", "", "", "N"), (None, "F", "F2", "F2"), ("N", "F", "F", "N"), ("F2", "F", "F2", "F2"),
    (None, "F", "", "F"), ("N", "F", "F2", None)])
def test_who_changed_last_has_the_word_and_a_contradiction_is_said(
    book: Path, tmp_path: Path, notebook_says: str | None, file_said: str, file_says: str, wanted: str | None
) -> None:
    earlier, now = tmp_path / "earlier.ipynb", tmp_path / "now.ipynb"
    put_in(book, tmp_path / "nothing.ipynb", {"summary": file_said}, earlier)
    if notebook_says is not None:
        write_over(earlier, "summary", notebook_says)
    if wanted is None:
        with pytest.raises(BadUsage, match=r"summary was changed in earlier\.ipynb and in the file"):
            put_in(book, earlier, {"summary": file_says}, now)
        assert not now.exists()
    else:
        put_in(book, earlier, {"summary": file_says}, now)
        assert cells(now)["summary"].source == wanted


def test_a_prompt_of_an_older_version_is_not_taken_for_words(book: Path, tmp_path: Path) -> None:
    put_in(book, tmp_path / "nothing.ipynb", {}, tmp_path / "earlier.ipynb")
    write_over(book, "summary", "*A better prompt.*")
    put_in(book, tmp_path / "earlier.ipynb", {}, tmp_path / "now.ipynb")
    assert cells(tmp_path / "now.ipynb")["summary"].source == "*A better prompt.*"


def test_words_that_would_be_lost_stop_the_report(recording: Recording, book: Path, tmp_path: Path) -> None:
    put_in(SHIPPED, tmp_path / "nothing.ipynb", {"impact": "Everybody."}, tmp_path / "x.ipynb")
    before = (tmp_path / "x.ipynb").read_bytes()
    with pytest.raises(BadUsage, match=r"people wrote a section 'impact', for which mine\.ipynb has no cell"):
        sb.report(recording, tmp_path / "x.html", notebook=book)
    (tmp_path / "y.ipynb").write_text("{")
    with pytest.raises(BadUsage, match="move it away"):
        put_in(book, tmp_path / "y.ipynb", {}, tmp_path / "now.ipynb")
    assert (tmp_path / "x.ipynb").read_bytes() == before
    assert not (tmp_path / "x.html").exists()


def test_a_section_that_is_not_there_names_the_nearest(book: Path, tmp_path: Path) -> None:
    path = tmp_path / "words.md"
    path.write_text("## Lesson\n\nx")
    with pytest.raises(BadUsage, match="did you mean 'lessons'"):
        put_in(book, tmp_path / "nothing.ipynb", from_file(path), tmp_path / "now.ipynb")
    with pytest.raises(BadUsage, match="can't be read"):
        from_file(tmp_path / "nowhere.md")


@pytest.mark.parametrize(("text", "inert"), [
    ("a <b>bold</b> move", "a &lt;b>bold&lt;/b> move"), ("1 < 2", "1 < 2"), ("`<b>` and ``a ` <i>``",) * 2,
    ("```html\n<b>\n```\n<b>", "```html\n<b>\n```\n&lt;b>"), ("~~~\n<b>", "~~~\n<b>"), ("<!-- x -->", "&lt;!-- x -->"),
    ("<https://a.b/c>",) * 2, ("[a](https://b.c)",) * 2, ("[a](JaVaScRiPt:x)", "[a](#JaVaScRiPt:x)"),
    ("[a](java&#115;cript:x)", "[a](#java&#115;cript:x)"), ("[a]: data:text/html,x", "[a]: #data:text/html,x")])
def test_markup_of_people_is_shown_as_text_in_markdown(text: str, inert: str) -> None:
    assert without_markup(text) == inert
