"""What people write into a postmortem, kept when it is made again: summary, impact, action items, lessons.

Such a section is a Markdown cell with a tag `edit-<section>`. In the notebook that is run it holds a prompt; people
write over it in the notebook that a report left, or in a Markdown file with a heading for each section. A report that
is made again takes their words from there, and the cells that they added (cells.py).

In: the notebook to be run, the one that an earlier report left, sections by name. Out: the notebook to be run, with
people's words in it. Never: loses a word: where notebook and file were both changed, it says so and stops.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadUsage, nearest
from .cells import is_written, kept, put_back, section
from .run import quick_imports

_HEADING = re.compile(r"##\s+(.+?)\s*#*\s*")
_FENCE = re.compile(r" {0,3}(```|~~~)")
#: Code, and addresses in angle brackets, are left alone.
_CODE = re.compile(
    r"(^ {0,3}(```|~~~).*?(?:^ {0,3}\2|\Z)|(`+)(?!`).+?(?<!`)\3(?!`)|<https?://[^<>\s]+>)", re.DOTALL | re.MULTILINE)
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])")
#: Where a link's address begins with a scheme that is none of these.
_LINK = re.compile(
    r"(\]\(\s*<?\s*|^ {0,3}\[[^\]]+\]:\s*<?\s*)(?=[a-z][a-z0-9+.\s&#;-]*:)(?!https?:|mailto:)",
    re.IGNORECASE | re.MULTILINE)


def from_file(path: Path) -> dict[str, str]:
    """Sections of a Markdown file: heading (`## Action items` is action-items) -> text. Raises BadUsage."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadUsage(f"{path}: can't be read: {getattr(exc, 'strerror', None) or exc}") from exc
    found: dict[str, list[str]] = {}
    lines: list[str] = []  # before the first heading: a title, which is nobody's section
    fence = ""
    for line in text.splitlines():
        marks = _FENCE.match(line)
        if marks and fence in ("", marks[1]):
            fence = "" if fence else marks[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if heading:
            lines = found.setdefault(re.sub(r"[^a-z0-9]+", "-", heading[1].lower()).strip("-"), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def put_in(source: Path, earlier: Path, given: Mapping[str, str], out: Path) -> None:
    """Write the notebook to be run: `source`, with what people wrote in `earlier` (if it is there) and in `given`, and
    with the cells that they added to `earlier`.

    Raises BadUsage: a section that `source` has no cell for, one that was changed in both places, a broken `earlier`.
    """
    with quick_imports():
        import nbformat
    book = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
    cells = {section(cell): cell for cell in book.cells if section(cell)}
    for name in given:
        if name not in cells:
            raise BadUsage(f"{source.name} has no section {name!r} for people to write in; {nearest(name, cells)}")
    left = _read(earlier)
    before = _before(left)
    for name, cell in before.items():
        if name not in cells and _words(cell, ""):
            raise BadUsage(f"{earlier}: people wrote a section {name!r}, for which {source.name} has no cell; "
                           "choose another name for the report")
    for name, cell in cells.items():
        prompt, ours = cell.source.strip(), given.get(name, "").strip()
        theirs = _words(before[name], prompt) if name in before else ""
        known = kept(before[name]).get("given") if name in before else None
        words = _merged(theirs, ours, known)
        if words is None:
            raise BadUsage(f"{name} was changed in {earlier.name} and in the file of edits, differently; "
                           "make them the same, or take it out of the file")
        cell.source = words or prompt
        cell.metadata["santabpf"] = {
            "written": bool(words), "prompt": _digest(prompt), "given": _digest(ours) if ours else ""}
    put_back(book, left)
    nbformat.write(book, out)  # type: ignore[no-untyped-call]


def _read(earlier: Path) -> Any | None:
    """The notebook that is there already, if one is. Raises BadUsage."""
    if not earlier.exists():
        return None
    with quick_imports():
        import nbformat
    try:
        return nbformat.read(earlier, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as exc:  # nbformat and jsonschema have no error in common
        raise BadUsage(f"{earlier}: is no notebook, so what people wrote in it can't be kept; move it away") from exc


def _before(left: Any | None) -> dict[str, Any]:
    """Each section's cell of that notebook; one that was split is one again."""
    found: dict[str, Any] = {}
    for cell in left.cells if left is not None else ():
        if section(cell) in found:
            found[section(cell)].source += f"\n\n{cell.source}"
        elif section(cell):
            found[section(cell)] = cell
    return found


def _words(cell: Any, prompt: str) -> str:
    """What people wrote in the cell: '' where the prompt still stands there; without its sentence where that does."""
    text = str(cell.source).strip()
    if text == prompt or _digest(text) == kept(cell).get("prompt"):
        return ""
    return text.removeprefix(prompt.split("\n\n")[0]).strip() if prompt else text


def _merged(theirs: str, ours: str, known: str | None) -> str | None:
    """The notebook's words and the file's; `known` is the digest of what the file said last time. None: a conflict."""
    if not theirs or _digest(theirs) == known:
        return ours or theirs
    if not ours or ours == theirs or _digest(ours) == known:
        return theirs
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def for_readers(book: Any) -> None:
    """Take prompts out of an executed notebook; where nothing else stands in their section, say that it is empty."""
    shown = []
    for at, cell in enumerate(book.cells):
        if section(cell) and not is_written(cell):
            rest = book.cells[at + 1 :]
            ends = (n for n, c in enumerate(rest) if c.cell_type == "markdown" and c.source.startswith("## "))
            end = next(ends, None)
            if any(c.cell_type == "code" or is_written(c) for c in rest[:end]):
                continue
            cell.source = "*Not written yet.*"
        shown.append(cell)
    book.cells = shown


def without_markup(text: str) -> str:
    """People's Markdown without HTML and without links that could run something; code stays as it is."""
    parts, at = [], 0
    for code in _CODE.finditer(text):
        parts += [_inert(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*parts, _inert(text[at:])])


def _inert(text: str) -> str:
    return _LINK.sub(lambda link: link[0] + "#", _MARKUP.sub("&lt;", text))
