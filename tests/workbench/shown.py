"""What a browser would take for HTML in a widget, to be searched for what must not be there."""

from __future__ import annotations

import json
from typing import Any

import ipywidgets

from santabpf.workbench.chart import Chart
from santabpf.workbench.flame import FlameGraph
from santabpf.workbench.pane import Pane

EVIL = ("<script>alert", "<img src=x", "<a href=x>", "\x1b[31m", "\u202e")


def markup(widget: Any) -> list[str]:
    """Of this widget and all that is in it: panes, charts, ipywidgets' own HTML."""
    found = [json.dumps(widget.figure, ensure_ascii=False)] if isinstance(widget, Chart) else []
    if isinstance(widget, Pane | FlameGraph):
        found.append(widget.drawing)
    elif isinstance(widget, ipywidgets.HTML):
        found.append(widget.value)
    assert not getattr(widget, "description_allow_html", False)
    return found + [text for child in getattr(widget, "children", ()) for text in markup(child)]


def check_names_are_text(widget: Any, at_least: int) -> None:
    """No evil anywhere, and in so many of the texts names that would have been evil."""
    texts = markup(widget)
    for text in texts:
        for evil in EVIL:
            assert evil not in text, text[max(0, text.index(evil) - 300) :][:600]
    told = [text for text in texts if any(name in text for name in ("&lt;script&gt;", "&lt;a href", "&lt;img"))]
    assert len(told) >= at_least
