"""A flame graph as a live widget: the canvas of display/flame.js, and which frame was clicked on it.

In: display.Flame, or a sentence instead of one. Out: an anywidget. Never: markup from a function's name.
"""

from __future__ import annotations

from typing import Any

from ..display import Flame
from ..display.page import FLAME_SCRIPTS
from .pane import Pane, module


class FlameGraph(Pane):
    """A flame graph that lives.

    clicked  the frame that was clicked last: {"name", "module", "kind", "path": names from the outermost frame to it,
             "count": how manieth click}. A click zooms too
    """

    _esm = module("unpack.js", *FLAME_SCRIPTS)

    def __init__(self, flame: Flame | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        if flame is not None:
            self.draw(flame)
