"""An executed notebook -> one HTML page that opens offline. nbconvert does it, with our own template.

In: the notebook's file, a title, a footer. Out: text. Never: an address on a network; the template has no block that
names one, and the page's own policy forbids it.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..display.escape import html_text
from ..display.figure import MIME
from ..display.page import TEMPLATES, inline_json, packed, page_resources, plotly_js, unpacked
from .edits import for_readers
from .run import quick_imports

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_HEADING = re.compile(r"<h2[^>]*>(.*?)</h2>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


#: All that Markdown turns into, but for pictures, which a page that asks nothing of a network could not show.
_PROSE = {
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}
_VERDICTS = re.compile(r'<script[^>]* id="santa-verdicts"[^>]*>([A-Za-z0-9+/=]*)</script>')


def verdicts_in_page(page: str) -> str:
    """The JSON with all verdicts that a report carries; empty where there is none, or where it is broken."""
    match = _VERDICTS.search(page)
    try:
        return unpacked(match[1]) if match else ""
    except (ValueError, OSError, EOFError):
        return ""


def outputs_to_html(title: str, foot: str, outputs: Sequence[Any]) -> str:
    """A page that comes from no notebook's run: words and figures that show themselves, one below the other."""
    with quick_imports():
        import nbformat
    bundles = [output._repr_mimebundle_() for output in outputs]
    cells = [
        nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", data=bundle)])  # type: ignore[no-untyped-call]
        for bundle in bundles
    ]
    head = nbformat.v4.new_markdown_cell(f"# {title}")  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="santabpf-page-") as folder:
        path = Path(folder) / "page.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[head, *cells]), path)  # type: ignore[no-untyped-call]
        return to_html(path, title, foot, "")


def to_html(notebook: Path, title: str, foot: str, verdicts: str, facts: str = "") -> str:
    """The page. A cell that failed is shown with its traceback, and linked to from the top.

    verdicts: JSON that it carries unseen, so that what it says can be checked against the recording. facts: for its
    head, what an index of reports must know.
    """
    with quick_imports():
        import nbformat
        from nbconvert.exporters import HTMLExporter
        from traitlets.config import Config
    nb = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    for_readers(nb)
    figures = any(MIME in getattr(output, "data", {}) for cell in nb.cells for output in cell.get("outputs", ()))
    failed = any(output.output_type == "error" for cell in nb.cells for output in cell.get("outputs", ()))
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        config=Config({
            "NbConvertBase": {"display_data_priority": [
                MIME, "text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain"]},
            "HTMLExporter": {"exclude_input": True, "exclude_anchor_links": True},
        }),
        template_name="santabpf", extra_template_basedirs=[str(TEMPLATES)],
        filters={"santa_json": inline_json, "santa_plain": plain, "santa_anchor": anchor, "santa_headings": headings,
                 "santa_people": by_people},
    )
    resources: dict[str, Any] = page_resources(plotly_js() if figures else "")
    resources["santa_verdicts"] = packed(verdicts)
    resources |= {"santa_title": title, "santa_foot": foot, "santa_failed": failed, "santa_version": __version__,
                  "santa_facts": facts}
    page, _ = exporter.from_notebook_node(nb, resources)
    return str(page)


def by_people(page: str) -> str:
    """HTML made of what people wrote in Markdown: only what Markdown has, and no link that could run something."""
    import bleach

    return str(bleach.clean(page, tags=_PROSE, attributes={"a": ["href", "title"], "code": ["class"], "span": ["class"],
                                                           "th": ["align"], "td": ["align"], "ol": ["start"]}))


def plain(text: str) -> str:
    """Output of a program for HTML: colours taken off, other control characters made visible, lines kept."""
    return "\n".join(html_text(line.rstrip("\r")) for line in _ANSI.sub("", text).split("\n"))


def anchor(heading: str) -> str:
    """What a link to this heading says after the #."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def headings(page: str) -> str:
    """HTML in which each section's heading can be linked to."""
    return _HEADING.sub(
        lambda match: f'<h2 id="{anchor(html.unescape(_TAG.sub("", match[1])))}">{match[1]}</h2>', page)
