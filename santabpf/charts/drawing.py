"""A plotly figure, put together as plain values: rows below each other on one axis, bands, lines and words in them.

In: traces, and what their axes are like. Out: a figure with our fonts and colours, which plotly checks once, whole. As
plotly's own add_... and update_... check all that is there each time, eight rows took them 0.3 s (plotly 7.1, 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ..display.escape import plotly_text
from .look import FONT, INK, LINE, MUTED, PALETTE, PAPER

#: What is said below the drawing takes so many pixels.
_NOTE = 22


class Drawing:
    """A figure that is not finished. Rows are counted from 1, the first on top."""

    def __init__(self, heights: Sequence[float] = (1,), between: float = 0) -> None:
        """heights: of the rows, and of the space between two, in the same unit. All share the axis of the last row."""
        self._traces: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []
        self._words: list[dict[str, Any]] = []
        self._axes: dict[str, dict[str, Any]] = {}
        self.rows = len(heights)
        whole = top = sum(heights) + between * (self.rows - 1)
        for row, height in enumerate(heights, start=1):
            plain = {"gridcolor": LINE, "linecolor": LINE, "zeroline": False, "tickfont": {"color": MUTED}, "ticks": ""}
            shared = {} if row == self.rows else {"matches": _axis("x", self.rows), "showticklabels": False}
            self._axes[_axis("x", row)] = {**plain, "anchor": _axis("y", row), "domain": [0, 1], **shared}
            self._axes[_axis("y", row)] = {**plain, "anchor": _axis("x", row),
                                           "domain": [max(0.0, (top - height) / whole), top / whole]}
            top -= height + between

    def add(self, kind: str, row: int = 1, **trace: Any) -> None:
        """A trace, of plotly's type of that name."""
        self._traces.append({"type": kind, "xaxis": _axis("x", row), "yaxis": _axis("y", row), **trace})

    def axis(self, letter: str, row: int | None = None, **settings: Any) -> None:
        """What the axis of a row is like, or those of all; what is said later holds."""
        for each in range(1, self.rows + 1) if row is None else (row,):
            self._axes[_axis(letter, each)].update(settings)

    def title(self, row: int, text: str, size: float, hover: str | None = None) -> None:
        """Words above a row, and what they say when they are pointed at."""
        top = self._axes[_axis("y", row)]["domain"][1]
        self._words.append({"text": text, "hovertext": hover, "font": {"size": size, "color": INK}, "showarrow": False,
                            "x": 0, "xanchor": "left", "xref": "paper", "y": top, "yanchor": "bottom",
                            "yref": "paper"})

    def band(self, row: int, start: str, end: str, colour: str, opacity: float) -> None:
        """Shade a row from one time to another, behind what is drawn."""
        self._shapes.append({"type": "rect", "layer": "below", "xref": _axis("x", row),
                             "yref": f"{_axis('y', row)} domain", "x0": start, "x1": end, "y0": 0, "y1": 1,
                             "line": {"width": 0}, "fillcolor": colour, "opacity": opacity})

    def line(self, row: int, value: float, colour: str, width: float) -> None:
        """A dashed line across a row."""
        self._shapes.append({"type": "line", "xref": f"{_axis('x', row)} domain", "yref": _axis("y", row), "x0": 0,
                             "x1": 1, "y0": value, "y1": value,
                             "line": {"color": colour, "width": width, "dash": "dash"}})

    def level(self, row: int, value: float, label: dict[str, Any], *, yshift: float = 0.0) -> None:
        """A dashed line across a row, with its label at the right, moved so many pixels upwards."""
        self.line(row, value, label["font"]["color"], 1.4)
        self._words.append({"xref": f"{_axis('x', row)} domain", "yref": _axis("y", row), "x": 1.003, "y": value,
                            "showarrow": False, "xanchor": "left", "yanchor": "middle", "yshift": yshift, **label})

    def beside(self, row: int, label: dict[str, Any], *, yshift: float = 0.0) -> None:
        """A label at the right of a row, at its top or so many pixels above."""
        self._words.append({"xref": f"{_axis('x', row)} domain", "yref": f"{_axis('y', row)} domain", "x": 1.003,
                            "y": 1, "showarrow": False, "xanchor": "left", "yanchor": "top", "yshift": yshift, **label})

    def along(self, row: int, at: str, text: str) -> None:
        """Words upwards in a row, at one time."""
        self._words.append({"xref": _axis("x", row), "yref": f"{_axis('y', row)} domain", "x": at, "y": 0.5,
                            "showarrow": False, "textangle": -90, "font": {"size": 10, "color": MUTED}, "text": text})

    def word(self, row: int, **annotation: Any) -> None:
        """An annotation at a place in a row."""
        self._words.append({"xref": _axis("x", row), "yref": _axis("y", row), "showarrow": False, **annotation})

    def figure(
        self, *, height: int, note: str = "", margin: dict[str, int] | None = None, **layout: Any
    ) -> go.Figure:
        """Finished, so many pixels high, with its note below the drawing; margins in pixels: of t, l, r and b."""
        below = _NOTE if note else 0
        words = list(self._words)
        if note:
            words.append({"text": plotly_text(note), "xref": "paper", "yref": "paper", "x": 0, "y": 0, "yshift": -58,
                          "xanchor": "left", "yanchor": "bottom", "showarrow": False, "align": "left",
                          "font": {"size": 12, "color": MUTED}})
        return go.Figure(data=self._traces, layout={
            "template": {}, "height": height + below, "paper_bgcolor": PAPER, "plot_bgcolor": PAPER,
            "font": {"family": FONT, "size": 13, "color": INK},
            "margin": {"l": 64, "r": 24, "t": 28, "b": 44 + below, **(margin or {})},
            "hoverlabel": {"font": {"family": FONT, "size": 12}, "align": "left"}, "colorway": list(PALETTE),
            "dragmode": "zoom", "shapes": self._shapes, "annotations": words,
            **{f"{name[0]}axis{name[1:]}": settings for name, settings in self._axes.items()}, **layout,
        })


def empty(note: str) -> go.Figure:
    """A picture that says why there is none."""
    drawing = Drawing()
    drawing.word(1, text=plotly_text(note), xref="paper", yref="paper", x=0.5, y=0.5,
                 font={"size": 14, "color": MUTED})
    for letter in "xy":
        drawing.axis(letter, visible=False)
    return drawing.figure(height=110, margin={"t": 10, "b": 10})


def _axis(letter: str, row: int) -> str:
    return letter if row == 1 else f"{letter}{row}"
