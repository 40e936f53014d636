"""A flame graph as a live widget: the canvas of display/flame.js, and which frame was clicked on it.

In: display.Flame, or a sentence instead of one. Out: an anywidget. Never: markup from a function's name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import anywidget
import traitlets

from ..display import Flame
from ..display.page import asset


class FlameGraph(anywidget.AnyWidget):
    """A flame graph that lives.

    drawing  the flame graph as its own HTML, in which every name is escaped or packed; empty for none
    clicked  the frame that was clicked last: {"name", "module", "kind", "path": names from the outermost frame to it,
             "count": how manieth click}. A click zooms too
    message  a sentence that is shown in place of it, as text; empty for none
    """

    _esm = "\n".join([*map(asset, ("unpack.js", "flame_tree.js", "flame.js")),
                      resources.files(__package__).joinpath("flame.js").read_text(encoding="utf-8")])
    _css = asset("words.css")

    drawing = traitlets.Unicode().tag(sync=True)
    clicked = traitlets.Dict().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, flame: Flame | None = None, *, message: str = "", **traits: Any) -> None:
        super().__init__(message=message, **traits)
        if flame is not None:
            self.draw(flame)

    def draw(self, flame: Flame) -> None:
        """Show this flame graph."""
        self.drawing, self.message = flame.html(), ""

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the flame graph: why there is none."""
        self.message = sentence

    def on_click(self, act: Callable[[dict[str, Any]], None]) -> None:
        """Call act(clicked) whenever a frame was clicked."""
        self.observe(lambda change: act(change["new"]), "clicked")
