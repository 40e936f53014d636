"""Changes between two moments by rank, beside those between quiet moments: what stands out, and what is noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..display.escape import plotly_text, shorten
from ..units import format_count
from .drawing import Drawing, empty
from .look import MUTED, OTHER, PALETTE, STATE_COLOURS

MORE, LESS = STATE_COLOURS["crit"], PALETTE[0]
LONGEST = 140


class Point(NamedTuple):
    """One statistic: its place in the ranking, from 1; what it is; its score; that among quiet moments."""

    rank: int
    words: str
    score: float
    quiet: float | None
    is_beyond: bool


class Info(NamedTuple):
    """Both rankings, the strongest first, and the score that quiet moments reach."""

    changes: tuple[Point, ...]
    quiet: tuple[Point, ...]
    bar: float
    caption: str


def info(
    changes: Iterable[tuple[str, float, float | None, bool]], quiet: Iterable[tuple[str, float]], bar: float
) -> Info:
    """changes: (in words, score, largest score among quiet moments, is it more than noise); quiet: (in words, score).

    Both in the order of the ranking.
    """
    drawn = tuple(Point(rank, *row) for rank, row in enumerate(changes, 1))
    noise = tuple(Point(rank, words, score, None, False) for rank, (words, score) in enumerate(quiet, 1))
    beyond = sum(point.is_beyond for point in drawn)
    caption = f"the {format_count(len(drawn))} strongest changes, {format_count(beyond)} of them more than noise"
    return Info(drawn, noise, bar, caption)


def figure(info: Info) -> go.Figure:
    """x: rank, y: change as so many times its noise; red more, blue less, grey between quiet moments."""
    if not info.changes:
        return empty("Nothing was counted in either window, so there is nothing to draw.")
    drawing = Drawing()
    sides = (("more in the incident", MORE, [p for p in info.changes if p.is_beyond and p.score > 0]),
             ("less in the incident", LESS, [p for p in info.changes if p.is_beyond and p.score <= 0]),
             ("not more than noise", OTHER, [p for p in info.changes if not p.is_beyond]))  # fmt: skip
    for name, colour, points in sides:
        if points:
            _add_dots(drawing, name, colour, points, "circle")
    if info.quiet:
        _add_dots(drawing, "between quiet moments", OTHER, info.quiet, "line-ew-open", mode="lines+markers",
                  line={"width": 1.2, "dash": "dot"})
    most = max(p.rank for p in (*info.changes, *info.quiet))
    drawing.line(1, info.bar, MUTED, 1)
    drawing.word(1, x=1, xref="paper", y=info.bar, xanchor="right", yanchor="bottom",
                 font={"color": MUTED, "size": 12}, text="above: more than quiet moments differ")
    small = {"size": 12, "color": MUTED}
    drawing.axis("x", title={"text": "rank of the statistic", "font": small, "standoff": 4}, showgrid=False,
                 range=[0.3, most + 0.7])
    drawing.axis("y", title={"text": "change, in times its noise", "font": small}, rangemode="tozero")
    return drawing.figure(height=330, legend={"orientation": "h", "y": 1.14, "x": 0}, hovermode="closest",
                          dragmode=False)


def _add_dots(
    drawing: Drawing, name: str, colour: str, points: Sequence[Point], symbol: str, *, mode: str = "markers",
    **trace: Any,
) -> None:
    texts = []
    for p in points:
        beside = "" if p.quiet is None else f"; among quiet moments at most {p.quiet:.1f}"
        texts.append(f"{plotly_text(shorten(p.words, LONGEST))}<br>{abs(p.score):.1f} times its noise{beside}")
    drawing.add(
        "scatter", x=[p.rank for p in points], y=[abs(p.score) for p in points], mode=mode, name=name,
        marker={"color": colour, "size": 9 if symbol == "circle" else 7, "symbol": symbol}, hovertext=texts,
        hoverinfo="text", **trace,
    )  # fmt: skip
