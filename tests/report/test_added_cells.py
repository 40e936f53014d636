"""Cells that people added to the notebook of a report are kept, where they stood, when it is made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

import santabpf as sb
from santabpf.recording import Recording
from santabpf.report.edits import put_in

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
v4 = nbformat.v4
Change = Callable[[list[Any]], Any]


def change(path: Path, act: Change) -> None:
    """As people do in JupyterLab."""
    book = nbformat.read(path, as_version=4)
    act(book.cells)
    nbformat.write(book, path)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Two sections, of two cells and of one."""
    made = v4.new_notebook(cells=[
        v4.new_code_cell('recording = ""\nscenarios = None\nlimit = 1', metadata={"tags": ["parameters"]}),
        v4.new_markdown_cell("## Cause"), v4.new_code_cell("print('limit is', limit)"), v4.new_code_cell("print(1)"),
        v4.new_markdown_cell("## Lessons"), v4.new_markdown_cell("*Learn.*", metadata={"tags": ["edit-lessons"]}),
    ], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    path = tmp_path / "mine.ipynb"
    nbformat.write(made, path)
    return path


@pytest.fixture
def earlier(book: Path, tmp_path: Path) -> Path:
    """The notebook that a first report left, before anybody touched it."""
    put_in(book, tmp_path / "nothing.ipynb", {}, tmp_path / "earlier.ipynb")
    return tmp_path / "earlier.ipynb"


def again(book: Path, earlier: Path) -> list[str]:
    put_in(book, earlier, {}, earlier.with_name("now.ipynb"))
    return sources(earlier.with_name("now.ipynb"))


def test_they_stay_run_again_and_can_do_no_harm(recording: Recording, book: Path, tmp_path: Path) -> None:
    first = sb.report(recording, tmp_path / "out.html", notebook=book)
    change(first.notebook_path, lambda cells: [
        cells.append(v4.new_markdown_cell("## Where we looked\n\n<img src=x onerror=alert(1)> [vain](javascript:x)")),
        cells.insert(4, v4.new_code_cell("print('thrice', limit * 3)", outputs=[
            v4.new_output("stream", name="stdout", text="of an earlier run")]))])
    for limit in (7, 11):  # and are no more the second time
        made = sb.report(recording, tmp_path / "out.html", notebook=book, parameters={"limit": limit},
                         formats=["html", "md"])
        assert made.error is None
        page, text = (path.read_text() for path in made.paths)
        said = [f"limit is {limit}", f"thrice {limit * 3}", "<h2 id=\"where-we-looked\">Where we looked</h2>"]
        assert [page.count(words) for words in said] == [1, 1, 1]
        assert sorted(said, key=page.index) == said
        assert '<a href="#where-we-looked">' in page
        assert "of an earlier run" not in page
        assert "<img src=x" not in page
        assert 'href="javascript' not in page
        assert "&lt;img src=x onerror=alert(1)> [vain](#javascript:x)" in text


@pytest.mark.parametrize("name", ["postmortem", "incident", "findings"])
def test_each_place_in_a_shipped_notebook_is_kept(name: str, tmp_path: Path) -> None:
    source, path = NOTEBOOKS / f"{name}.ipynb", tmp_path / "x.ipynb"
    put_in(source, tmp_path / "nothing.ipynb", {}, path)
    count = len(sources(path))
    for at in reversed(range(count + 1)):
        change(path, lambda cells, at=at: cells.insert(at, v4.new_markdown_cell(f"behind {at}")))
    before = sources(path)
    assert len(before) == 2 * count + 1
    assert again(source, path) == before


def test_several_in_one_place_keep_their_order(book: Path, earlier: Path) -> None:
    for words in ("third", "second", "first"):
        change(earlier, lambda cells, words=words: cells.insert(3, v4.new_markdown_cell(words)))
    assert again(book, earlier)[3:6] == ["first", "second", "third"]


def test_in_a_section_that_became_shorter_they_stand_at_its_end(book: Path, earlier: Path) -> None:
    change(earlier, lambda cells: cells.insert(4, v4.new_markdown_cell("mine")))
    change(book, lambda cells: [cells.pop(2), cells.pop(2)])
    assert again(book, earlier)[1:4] == ["## Cause", "mine", "## Lessons"]


def test_where_the_heading_is_gone_they_stand_at_the_end_of_all(book: Path, earlier: Path) -> None:
    change(earlier, lambda cells: cells.insert(2, v4.new_markdown_cell("## Cause")))  # a heading of theirs is no place
    change(book, lambda cells: cells[1].update(source="## Causes"))
    assert again(book, earlier)[-2:] == ["*Learn.*", "## Cause"]


def test_what_nobody_wrote_is_not_kept(book: Path, earlier: Path) -> None:
    before = again(book, earlier)
    change(earlier, lambda cells: [
        cells.insert(1, v4.new_code_cell("limit = 5", metadata={"tags": ["injected-parameters"]})),
        cells.insert(2, v4.new_markdown_cell("failed", metadata={"tags": ["papermill-error-cell-tag"]})),
        cells.append(v4.new_code_cell(" \n"))])
    assert again(book, earlier) == before


def test_one_that_became_part_of_the_notebook_stands_there_once(book: Path, earlier: Path) -> None:
    mine = v4.new_markdown_cell("mine")
    change(earlier, lambda cells: cells.append(mine))
    change(book, lambda cells: cells.insert(0, mine))
    assert again(book, earlier).count("mine") == 1


def test_a_cell_that_a_newer_version_dropped_is_not_taken_for_theirs(book: Path, earlier: Path) -> None:
    change(book, lambda cells: cells.pop(3))
    assert "print(1)" not in again(book, earlier)


def test_a_notebook_without_ids_keeps_them_too(book: Path, tmp_path: Path) -> None:
    old = nbformat.read(book, as_version=4)
    for cell in old.cells:
        del cell["id"]
    old.nbformat_minor = 4
    nbformat.write(old, book)
    put_in(book, tmp_path / "nothing.ipynb", {}, tmp_path / "earlier.ipynb")
    change(tmp_path / "earlier.ipynb", lambda cells: cells.insert(2, v4.new_markdown_cell("mine")))
    assert again(book, tmp_path / "earlier.ipynb")[1:4] == ["## Cause", "mine", "print('limit is', limit)"]


def test_a_section_that_was_split_loses_no_half(book: Path, earlier: Path) -> None:
    def split(cells: list[Any]) -> None:
        cells[5].source = "One."
        cells.append(v4.new_markdown_cell("Two.", metadata=cells[5].metadata))

    change(earlier, split)
    assert again(book, earlier)[5:] == ["One.\n\nTwo."]
