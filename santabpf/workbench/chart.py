"""One plotly figure as a live widget: it is redrawn in place, tells what was clicked and which range was dragged.

In: display.Figure, or a sentence instead of one. Out: an anywidget. Never: a network address, plotly's FigureWidget
(5 MB each): plotly.js goes to the page once, packed, when a chart there asks for it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import anywidget
import traitlets

from ..display import Figure
from ..display.figure import CONFIG
from ..display.page import plotly_js
from ..units import MS
from .pane import style


@cache
def _library() -> bytes:
    """plotly.js, packed; DecompressionStream unpacks it in the page."""
    return gzip.compress(plotly_js().encode(), 9, mtime=0)


class Chart(anywidget.AnyWidget):
    """A figure that lives.

    figure    data, layout and config for plotly.js; empty for none. Numbers go as base64 typed arrays
    selected  the range of x that was dragged in the figure as it is, as [from, to]; milliseconds UTC on a time axis.
              Empty for none
    clicked   the point that was clicked last: {"customdata": ..., "x": ..., "y": ..., "count": how manieth click}
    now       what lies to the right of it on the axis of x is covered, as if it had not come yet; milliseconds UTC on a
              time axis. None: nothing is
    message   a sentence that is shown in place of the figure, as text; empty for none
    """

    _esm = resources.files(__package__).joinpath("chart.js").read_text(encoding="utf-8")
    _css = style()

    figure = traitlets.Dict().tag(sync=True)
    selected = traitlets.List(traitlets.Float()).tag(sync=True)
    clicked = traitlets.Dict().tag(sync=True)
    now = traitlets.Float(None, allow_none=True).tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, figure: Figure | None = None, *, message: str = "", **traits: Any) -> None:
        super().__init__(message=message, **traits)
        self.on_msg(self._answer)
        if figure is not None:
            self.draw(figure)

    def draw(self, figure: Figure) -> None:
        """Show this figure; one that is there is changed in place."""
        self.selected = []  # so that the same range can be dragged once more
        self.figure = {"data": figure.spec["data"], "layout": figure.spec["layout"], "config": CONFIG}
        self.message = ""

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the figure: why there is none."""
        self.message = sentence

    def on_window(self, act: Callable[[int, int], None]) -> None:
        """Call act(from_ns, to_ns), UTC, whenever a range was dragged on a time axis."""
        def told(change: Any) -> None:
            if len(change["new"]) == 2:
                act(*(round(ms * MS) for ms in change["new"]))

        self.observe(told, "selected")

    def on_click(self, act: Callable[[Any], None]) -> None:
        """Call act(customdata) whenever a point that has some was clicked."""
        def told(change: Any) -> None:
            if change["new"].get("customdata") is not None:
                act(change["new"]["customdata"])

        self.observe(told, "clicked")

    def _answer(self, _: Any, content: Any, buffers: Any) -> None:
        if content == {"ask": "plotly"}:
            self.send({"answer": "plotly"}, [_library()])
