"""Whose a cell of a report's notebook is; cells that people added, put back when the report is made again.

Which cells are the notebook's own stands in its metadata: `santabpf.cells`, their ids. All others are people's, but for
what papermill puts in. Each stands below its heading as before, behind as many of the notebook's own cells.

In: notebooks, as nbformat reads them. Out: the one to be run, with people's cells in it. Never: an own cell that
somebody changed; what a cell gave when it ran.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

_EDIT = "edit-"
_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}
Place = tuple[str, int]  # a heading's line, and how manieth that reads so; ("", 0): before the first heading


def section(cell: Any) -> str:
    """The name of the section that people write in this cell; '' for any other cell."""
    tags = _tags(cell) if cell.get("cell_type") == "markdown" else []
    return next((tag.removeprefix(_EDIT) for tag in tags if tag.startswith(_EDIT)), "")


def kept(holder: Any) -> dict[str, Any]:
    """What we noted in the metadata of a cell, or of a notebook."""
    noted = holder.metadata.get("santabpf", {})
    return noted if isinstance(noted, dict) else {}


def is_written(cell: Any) -> bool:
    """Whether people wrote what stands in this Markdown cell."""
    return bool(kept(cell).get("written"))


def put_back(book: Any, earlier: Any | None) -> None:
    """Note in `book` which cells are its own, and add those that people put into `earlier`.

    Where a section is shorter than it was, they stand at its end; where its heading is gone, at the end of all.
    """
    for number, cell in enumerate(book.cells):  # notebooks before 4.5 have no ids
        cell.setdefault("id", f"own-{number}")
    book.nbformat_minor = max(book.nbformat_minor, 5)
    own = [cell.id for cell in book.cells]
    sections = _sections(book.cells, own)
    if earlier is not None:
        theirs = [name for name in kept(earlier).get("cells") or own if isinstance(name, str)]
        for place, cells in _sections(earlier.cells, {*theirs, *own}).items():
            passed = 0
            for cell in cells:
                if cell.get("id") in theirs:
                    passed += 1
                elif _is_added(cell, own):
                    here = sections.get(place)
                    if here is None:
                        list(sections.values())[-1].append(_afresh(cell))
                    else:
                        here.insert(_behind(here, passed, own), _afresh(cell))
    book.cells = [cell for cells in sections.values() for cell in cells]
    book.metadata["santabpf"] = {"cells": own}


def _tags(cell: Any) -> list[str]:
    return [tag for tag in cell.get("metadata", {}).get("tags", []) if isinstance(tag, str)]


def _sections(cells: Iterable[Any], own: Iterable[str]) -> dict[Place, list[Any]]:
    """Cells by the heading that they stand below, which comes first; what people added is no heading."""
    place: Place = ("", 0)
    found: dict[Place, list[Any]] = {place: []}
    seen: Counter[str] = Counter()
    for cell in cells:
        line = cell.source.lstrip().partition("\n")[0].strip()
        if cell.cell_type == "markdown" and line.startswith("#") and not section(cell) and cell.get("id") in own:
            place = line, seen[line]
            seen[line] += 1
        found.setdefault(place, []).append(cell)
    return found


def _is_added(cell: Any, own: Iterable[str]) -> bool:
    return not (_PAPERMILL & set(_tags(cell)) or section(cell) or cell.get("id") in own) and bool(cell.source.strip())


def _behind(cells: list[Any], count: int, own: Iterable[str]) -> int:
    """The place behind so many own cells, and behind what was put there already."""
    at = 0
    while at < len(cells) and (count or cells[at].id not in own):
        count -= cells[at].id in own
        at += 1
    return at


def _afresh(cell: Any) -> Any:
    if cell.cell_type == "markdown":
        cell.metadata["santabpf"] = {"written": True}
    elif cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell
