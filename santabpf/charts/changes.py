"""Changes between two moments by rank, beside those between quiet moments: what stands out, and what is noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ..display.escape import plotly_text, shorten
from ..units import format_count
from .look import MUTED, OTHER, PALETTE, STATE_COLOURS, dressed, empty

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
    drawn = go.Figure()
    sides = (("more in the incident", MORE, [p for p in info.changes if p.is_beyond and p.score > 0]),
             ("less in the incident", LESS, [p for p in info.changes if p.is_beyond and p.score <= 0]),
             ("not more than noise", OTHER, [p for p in info.changes if not p.is_beyond]))  # fmt: skip
    for name, colour, points in sides:
        if points:
            drawn.add_trace(_dots(name, colour, points, "circle"))
    if info.quiet:
        quiet = _dots("between quiet moments", OTHER, info.quiet, "line-ew-open")
        drawn.add_trace(quiet.update(mode="lines+markers", line={"width": 1.2, "dash": "dot"}))
    most = max(p.rank for p in (*info.changes, *info.quiet))
    drawn.add_hline(y=info.bar, line={"color": MUTED, "width": 1, "dash": "dash"})
    drawn.add_annotation(
        x=1, xref="paper", y=info.bar, xanchor="right", yanchor="bottom", showarrow=False,
        font={"color": MUTED, "size": 12}, text="above: more than quiet moments differ",
    )  # fmt: skip
    dressed(drawn, height=330)
    drawn.update_layout(legend={"orientation": "h", "y": 1.14, "x": 0}, hovermode="closest", dragmode=False)
    small = {"size": 12, "color": MUTED}
    drawn.update_xaxes(title={"text": "rank of the statistic", "font": small, "standoff": 4}, showgrid=False,
                       range=[0.3, most + 0.7])  # fmt: skip
    drawn.update_yaxes(title={"text": "change, in times its noise", "font": small}, rangemode="tozero")
    return drawn


def _dots(name: str, colour: str, points: Sequence[Point], symbol: str) -> go.Scatter:
    texts = []
    for p in points:
        beside = "" if p.quiet is None else f"; among quiet moments at most {p.quiet:.1f}"
        texts.append(f"{plotly_text(shorten(p.words, LONGEST))}<br>{abs(p.score):.1f} times its noise{beside}")
    return go.Scatter(
        x=[p.rank for p in points], y=[abs(p.score) for p in points], mode="markers", name=name,
        marker={"color": colour, "size": 9 if symbol == "circle" else 7, "symbol": symbol}, hovertext=texts,
        hoverinfo="text",
    )  # fmt: skip
