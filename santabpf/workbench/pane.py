"""Words, tables and process trees as a live widget, and which row or box was clicked in it.

In: a display value that gives its own HTML, or a sentence instead of one. Out: an anywidget. Never: markup from
outside: what is shown was made, and escaped, by display.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any, Protocol

import anywidget
import traitlets

from ..display.page import asset


class Shown(Protocol):
    """What has HTML of its own: Words, Lanes, Flame."""

    def html(self) -> str:
        """As HTML, everything from outside escaped or packed."""


def module(*scripts: str) -> str:
    """The scripts of display, and pane.js, which starts them, as one module."""
    own = resources.files(__package__).joinpath("pane.js").read_text(encoding="utf-8")
    return "\n".join([*map(asset, scripts), own])


def style() -> str:
    """The style of our words, and what the workbench has besides."""
    own = resources.files(__package__).joinpath("workbench.css").read_text(encoding="utf-8")
    return f"{asset('words.css')}\n{own}"


class Pane(anywidget.AnyWidget):
    """Something drawn, that lives.

    drawing  its HTML; empty for none
    picks    how many rows of its first table can be clicked
    clicked  what was clicked last: {"row": its place} or {"box": its place in a process tree}, and "count": how manieth
    heard    whether somebody asked what is clicked: a click does more then than what is drawn does by itself
    message  a sentence that is shown in place of it, as text; empty for none
    """

    _esm = module("unpack.js", "lanes.js")
    _css = style()

    drawing = traitlets.Unicode().tag(sync=True)
    picks = traitlets.Int().tag(sync=True)
    clicked = traitlets.Dict().tag(sync=True)
    heard = traitlets.Bool().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def draw(self, shown: Shown, picks: int = 0) -> None:
        """Show this."""
        self.picks = picks
        self.drawing, self.message = shown.html(), ""

    def say(self, sentence: str) -> None:
        """Show a sentence in place of it: why there is nothing."""
        self.message = sentence

    def on_click(self, act: Callable[[dict[str, Any]], None]) -> None:
        """Call act(clicked) whenever something was clicked."""
        self.heard = True
        self.observe(lambda change: act(change["new"]), "clicked")
