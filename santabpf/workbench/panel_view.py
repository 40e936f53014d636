"""One panel as widgets: a heading, and its parts, each changed in place where that can be.

In: a Panel and an Investigation. Out: ipywidgets; what is clicked or dragged goes to whoever asked for it. Never: a
traceback: what fails says so in its place.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets as w

from ..display import Figure, Flame
from ..errors import reason
from .chart import Chart
from .controls import WIDE, heading, heading_html, sentence
from .flame import FlameGraph
from .investigation import Investigation
from .pane import Pane
from .panels import Panel, draw
from .part import Part, is_words
from .view import Filter, Window


class _Place(NamedTuple):
    """Where a part stands; kind: what it was made as, since the class of an anywidget is one of its own."""

    kind: type
    heading: w.HTML
    widget: Any


class PanelView(w.VBox):  # type: ignore[misc]
    """One panel: a heading, a sentence, and its parts; a part that can be changed in place is."""

    def __init__(self, panel: Panel, pick: Callable[[Filter | Window], None], look: Callable[[int, int], None]) -> None:
        self.panel, self._pick, self._look = panel, pick, look
        self._picks: list[Sequence[Filter | Window]] = []
        self._boxes: list[Mapping[tuple[str, ...], Filter]] = []
        self._places: list[_Place] = []
        self._body = w.VBox(layout=WIDE)
        self._head = heading(panel.title, panel.about)
        super().__init__([self._head, self._body] if panel.title else [self._body], layout=WIDE)
        self.seconds = 0.0  # that the last update took

    def update(self, investigation: Investigation) -> None:
        """Draw what the panel shows of the investigation now."""
        began = time.perf_counter()
        try:
            parts = draw(investigation, self.panel.name)
        except Exception as exc:  # whatever it is, it is said in the panel and nowhere else
            parts = [Part(sentence(f"This panel failed: {reason(exc)}"))]
        self._show(parts)
        self.seconds = time.perf_counter() - began

    @property
    def bytes(self) -> int:
        """What goes to the browser for what is shown now."""
        return sum(len(json.dumps(one.figure)) if isinstance(one, Chart) else len(one.drawing) for one in self._widgets)

    @property
    def _widgets(self) -> list[Chart | FlameGraph | Pane]:
        """One for each part, in their order."""
        return [place.widget for place in self._places]

    def wait(self, text: str) -> None:
        """Show a sentence until there is more."""
        self._show([Part(sentence(text))])

    def _show(self, parts: list[Part]) -> None:
        self._head.value = heading_html(self.panel.title, "" if all(map(is_words, parts)) else self.panel.about)
        self._picks, self._boxes = [part.picks for part in parts], [part.boxes for part in parts]
        kept = self._places
        self._places = [self._place(part, at, kept[at : at + 1]) for at, part in enumerate(parts)]
        self._body.children = [widget for place in self._places for widget in (place.heading, place.widget)]
        for old in kept:
            if old not in self._places:
                old.heading.close()
                old.widget.close()

    def _place(self, part: Part, at: int, there: list[_Place]) -> _Place:
        """What stands there with this part drawn in it, or a new one where that is of another kind."""
        kind = Chart if isinstance(part.shown, Figure) else FlameGraph if isinstance(part.shown, Flame) else Pane
        place = next((old for old in there if old.kind is kind), None) or _Place(kind, w.HTML(), self._made(kind, at))
        place.heading.value = f"<b style='font-size:13px'>{part.heading}</b>"  # our own words
        place.heading.layout.display = "" if part.heading else "none"
        if kind is Pane:
            place.widget.draw(part.shown, len(part.picks))
        else:
            place.widget.draw(part.shown)
        return place

    def _made(self, kind: type, at: int) -> Any:
        widget = kind(layout=WIDE)
        if kind is Chart:
            widget.on_window(self._look)
            widget.on_click(lambda nth: self._picked(at, nth))
        elif kind is FlameGraph:
            widget.on_click(lambda said: self._framed(at, said))
        else:
            widget.on_click(lambda said: self._picked(at, said.get("row", said.get("box"))))
        return widget

    def _picked(self, at: int, nth: Any) -> None:
        picks = self._picks[at] if at < len(self._picks) else ()
        if isinstance(nth, int) and 0 <= nth < len(picks):
            self._pick(picks[nth])

    def _framed(self, at: int, said: dict[str, Any]) -> None:
        boxes = self._boxes[at] if at < len(self._boxes) else {}
        if said.get("kind") == "thread":
            if (stands_for := boxes.get(tuple(said.get("path", ())))) is not None:
                self._pick(stands_for)
        elif said.get("kind") not in ("all", "small", "cut"):
            self._pick(Filter("frame", str(said.get("name", ""))))
