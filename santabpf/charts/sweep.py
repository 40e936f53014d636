"""Settings of an alarm: detection delay against false alarms, with today's setting and the knee marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import plotly.graph_objects as go

from ..display.escape import plotly_text
from ..units import format_count, seconds
from .drawing import Drawing, empty
from .look import INK, MUTED, PALETTE, STATE_COLOURS

MOST_NAMED = 6
BAD = STATE_COLOURS["crit"]


class Point(NamedTuple):
    """All settings that come to the same: how long the slowest alarm took, and in how many recordings it was wrong."""

    delay_ns: int
    missed: int
    false_alarms: int
    settings: int
    words: str  # some of the settings
    marks: tuple[str, ...]  # "today", "knee"


class Info(NamedTuple):
    """The points, and settings that raised nothing at all, which have no delay."""

    points: tuple[Point, ...]
    silent: int
    caption: str


class _Setting(NamedTuple):
    words: str
    missed: int
    false_alarms: int
    delay_ns: int | None
    mark: str


def info(settings: Iterable[tuple[str, int, int, int | None, str]], *, faults: int, others: int) -> Info:
    """Points out of settings.

    settings  (in words, missed, false alarms, longest delay in ns or None, "today" or "knee" or "")
    faults    how many recordings must raise the alarm; others: how many must not
    """
    groups: dict[tuple[int, int, int], list[_Setting]] = defaultdict(list)
    silent = total = 0
    for setting in (_Setting(*row) for row in settings):
        total += 1
        if setting.delay_ns is None:
            silent += 1
        else:
            groups[setting.delay_ns, setting.missed, setting.false_alarms].append(setting)
    points = tuple(_point(key, rows) for key, rows in sorted(groups.items()))
    caption = (
        f"{format_count(total)} settings of one alarm over {faults} recordings of the fault and {others} others. "
        "To the left: quicker. Further down: fewer false alarms. Red crosses: settings that miss a fault."
    )
    if silent:
        caption += f" {format_count(silent)} settings raised nothing, and are not drawn."
    return Info(points, silent, caption)


def _point(key: tuple[int, int, int], rows: list[_Setting]) -> Point:
    rest = f"<br>and {format_count(len(rows) - MOST_NAMED)} more" if len(rows) > MOST_NAMED else ""
    words = "<br>".join(plotly_text(row.words) for row in rows[:MOST_NAMED]) + rest
    marks = tuple(sorted({mark for row in rows for mark in row.mark.split() if mark}))
    return Point(*key, len(rows), words, marks)


def figure(info: Info) -> go.Figure:
    """A scatter: x the longest delay in seconds, y false alarms; red where faults were missed."""
    if not info.points:
        return empty("No setting raised the alarm on any recording.")
    drawing = Drawing()
    found = [p for p in info.points if not p.missed]
    missing = [p for p in info.points if p.missed]
    for points, name, colour, symbol in (
        (found, "finds every fault", PALETTE[0], "circle"), (missing, "misses a fault", BAD, "x-thin-open"),
    ):  # fmt: skip
        if points:
            _add_dots(drawing, points, name, colour, symbol)
    for mark, words, symbol, side in (
        ("today", "today's setting", "diamond-open", "top right"), ("knee", "the knee", "star", "bottom right"),
    ):  # fmt: skip
        marked = [p for p in info.points if mark in p.marks]
        if marked:
            _add_mark(drawing, marked, words, symbol, side)
    drawing.axis("x", title={"text": "from the onset of the fault to the alarm, the slowest (s)"}, rangemode="tozero")
    worst = max(p.false_alarms for p in info.points)
    span, step = [-0.18 * (worst + 1), worst + 0.5], max(1, worst // 8)
    drawing.axis("y", title={"text": "false alarms (recordings)"}, range=span, dtick=step)
    return drawing.figure(height=420, legend={"orientation": "h", "y": 1.12, "x": 0})


def _add_dots(drawing: Drawing, points: list[Point], name: str, colour: str, symbol: str) -> None:
    drawing.add(
        "scatter", x=[seconds(p.delay_ns) for p in points], y=[p.false_alarms for p in points],
        mode="markers", name=name, text=[p.words for p in points],
        customdata=[[p.missed, p.false_alarms, p.settings] for p in points],
        marker={"color": colour, "symbol": symbol, "opacity": 0.6, "line": {"width": 2, "color": colour},
                "size": [min(26, 7 + p.settings**0.5) for p in points]},
        hovertemplate="%{x:.1f} s; missed %{customdata[0]}, false alarms %{customdata[1]}<br>%{customdata[2]} settings:"
        "<br>%{text}<extra></extra>",
    )


def _add_mark(drawing: Drawing, points: list[Point], words: str, symbol: str, side: str) -> None:
    drawing.add(
        "scatter", x=[seconds(p.delay_ns) for p in points], y=[p.false_alarms for p in points],
        mode="markers+text", name=words, text=[words] * len(points), textposition=side, textfont={"color": INK},
        hoverinfo="skip", marker={"symbol": symbol, "size": 17, "color": INK, "line": {"width": 2, "color": MUTED}},
    )
