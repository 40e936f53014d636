"""An executed notebook -> Markdown, as GitHub and most wikis read it.

In: the notebook's file, a title, a footer. Out: text. Never: HTML; a character of a recording that is markup (what
shows itself as Markdown escapes it; all else stands in code blocks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..display.escape import markdown_text, visible
from .cells import is_written
from .edits import for_readers, without_markup
from .run import quick_imports

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def to_markdown(notebook: Path, title: str, foot: str) -> str:
    """The report. Charts are named, not drawn; a cell that failed is shown with its traceback."""
    with quick_imports():
        import nbformat
    book = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    for_readers(book)
    parts = [f"**{markdown_text(title)}**"]
    for cell in book.cells:
        if cell.cell_type == "markdown":
            if "papermill-error-cell-tag" not in cell.metadata.get("tags", []):
                parts.append(without_markup(cell.source) if is_written(cell) else cell.source)
        else:
            parts += [text for output in cell.get("outputs", ()) for text in _shown(cell, output)]
    return "\n\n".join([*(part.strip("\n") for part in parts), "---", markdown_text(foot)]) + "\n"


def _shown(cell: Any, output: Any) -> Iterator[str]:
    if output.output_type == "error":
        yield "**This cell failed:**"
        yield _code(cell.source)
        yield _code("\n".join(output.traceback))
    elif output.output_type == "stream":
        if output.name == "stdout":
            yield _code(output.text)
    elif "text/markdown" in output.data:
        yield str(output.data["text/markdown"])
    elif "text/plain" in output.data:
        first, *rest = str(output.data["text/plain"]).split("\n")
        is_chart = first.startswith("[chart: ")
        yield f"*{markdown_text(first.strip('[]'))}*" if is_chart else _code("\n".join([first, *rest]))
        if is_chart and rest:
            yield _code("\n".join(rest))


def _code(text: str) -> str:
    return "\n".join("    " + visible(line.rstrip("\r")) for line in _ANSI.sub("", text).rstrip("\n").split("\n"))
