"""A recording at a glance: when alarms were on, the signals behind them, how much happened, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..display.escape import plotly_text, shorten
from ..units import format_duration, format_utc
from .drawing import Drawing, empty
from .look import (
    INK,
    MUTED,
    NULL,
    OTHER,
    PALETTE,
    STATE_COLOURS,
    Tabular,
    arrow,
    ints,
    lines,
    texts,
    times,
)
from .signals import Panel, Span, draw_panel, hover, title

#: Tables with an area of their own; the others are added up.
MOST_TABLES = 5
_LANE, _SIGNAL, _EVENTS, _LOST, _BETWEEN = 34, 74, 92, 34, 44
#: Of an alarm's lane: how far its name is above the middle, and its bar below it. Of the lost: where there is nothing.
_NAME, _BAR, _NOTHING = -0.24, 0.22, 6


class Alarm(NamedTuple):
    """One alarm that was on at some time: what it is called, and when it was on."""

    name: str
    spans: tuple[Span, ...]


class Events(NamedTuple):
    """How many rows a table got: one number a column."""

    table: str
    rows: list[int]


class Info(NamedTuple):
    """Everything over one time axis, cut into columns of step_ns."""

    window: tuple[int, int]  # the whole recording
    step_ns: int
    starts: list[int]  # of the columns, UTC
    alarms: tuple[Alarm, ...] | None  # None: not judged, or not yet
    signals: tuple[Panel, ...]
    events: tuple[Events, ...]  # the busiest first; the last may be 'others'
    lost: list[int]  # events lost, one number a column
    gaps: tuple[tuple[int, int, str], ...]  # from, to, why
    note: str
    failed: bool = False  # it could not be judged


def info(
    events: Tabular, lost: Tabular, gaps: Tabular, window: tuple[int, int], step_ns: int, *,
    alarms: Sequence[Alarm] | None = None, signals: Sequence[Panel] = (), failed: bool = False,
) -> Info:
    """What the overview says.

    events: at (which column), table, rows. lost: at, lost. gaps: ts_ns, end_ns (null: to the end), table, reason. Empty
    tables: nothing happened, nothing was lost. A window of no length gives a note. failed: it could not be judged.
    """
    columns = -(-(window[1] - window[0]) // step_ns)
    if columns <= 0:
        return Info(window, step_ns, [], None, (), (), [], (), "Nothing was recorded.")
    by_table: dict[str, list[int]] = {}
    table = arrow(events)
    for at, name, rows in zip(ints(table, "at").tolist(), texts(table, "table"), ints(table, "rows"), strict=True):
        if 0 <= at < columns:
            by_table.setdefault(name, [0] * columns)[at] += int(max(rows, 0))
    ranked = sorted((Events(name, rows) for name, rows in by_table.items() if any(rows)),
                    key=lambda e: (-sum(e.rows), e.table))
    shown = ranked[:MOST_TABLES]
    if len(ranked) > MOST_TABLES:
        rest = np.sum([e.rows for e in ranked[MOST_TABLES:]], axis=0).tolist()
        left = len(ranked) - MOST_TABLES
        shown.append(Events("1 other" if left == 1 else f"{left} others", rest))
    losses, table = [0] * columns, arrow(lost)
    for at, count in zip(ints(table, "at").tolist(), ints(table, "lost").tolist(), strict=True):
        if 0 <= at < columns:
            losses[at] += max(count, 0)
    table = arrow(gaps)
    holes = [(start, window[1] if end == NULL else end, f"{what or 'all tables'}: {why.replace('_', ' ')}")
             for start, end, what, why in zip(ints(table, "ts_ns").tolist(), ints(table, "end_ns").tolist(),
                                              texts(table, "table"), texts(table, "reason"), strict=True)]
    return Info(window, step_ns, [window[0] + n * step_ns for n in range(columns)],
                None if alarms is None else tuple(alarms), tuple(signals), tuple(shown), losses, tuple(sorted(holes)),
                "", failed)


def figure(info: Info) -> go.Figure:
    """Lanes for the alarms, their signals, areas for what happened, red for what was lost, grey for what is not known.

    The nth alarm's points have customdata n.
    """
    if not info.starts:
        return empty(info.note)
    raised = info.alarms or ()
    lost = _LOST if any(info.lost) or info.gaps else _NOTHING
    heights = [len(raised) * _LANE or _LANE // 2, *[_SIGNAL] * len(info.signals), _EVENTS, lost]
    inside = sum(heights) + _BETWEEN * (len(heights) - 1)
    head = "<b>Alarms</b>"
    per = "a second" if info.step_ns == 1_000_000_000 else f"in {format_duration(info.step_ns)}"
    areas = f"<b>Events recorded</b> ({per})" + "".join(
        f"\u2003<span style='color:{_colour(n, e)}'>■</span> {plotly_text(e.table)}" for n, e in enumerate(info.events))
    unknown = "<b>Lost</b>, and times of which nothing is known" if lost == _LOST else "<b>Lost</b>: nothing"
    drawing = Drawing(heights, _BETWEEN)
    drawing.title(1, head, 12)
    _draw_alarms(drawing, info)
    for row, panel in enumerate(info.signals, start=2):
        drawing.title(row, title(panel), 12, hover(panel))
        draw_panel(drawing, panel, row, info.window[1], _SIGNAL)
        drawing.axis("y", row, nticks=3)
    drawing.title(drawing.rows - 1, areas, 12)
    _draw_events(drawing, info, drawing.rows - 1)
    drawing.title(drawing.rows, unknown, 12)
    _draw_lost(drawing, info, drawing.rows)
    drawing.axis("x", type="date", hoverformat="%H:%M:%S UTC", tickformat="%H:%M:%S", range=times(info.window),
                 fixedrange=True)
    drawing.axis("y", fixedrange=True)
    drawing.axis("x", drawing.rows, title={"text": "UTC", "font": {"size": 12, "color": MUTED}, "standoff": 4})
    return drawing.figure(height=inside + 30 + 40, margin={"t": 30, "r": 96, "b": 40}, showlegend=False, hovermode="x",
                          dragmode="select", selectdirection="h")


def veils(window: tuple[int, int], chosen: tuple[int, int]) -> list[dict[str, Any]]:
    """Shapes over what lies outside the chosen window, to be put into the layout of the drawn figure."""
    made = []
    for start, end in ((window[0], chosen[0]), (chosen[1], window[1])):
        if end > start:
            x0, x1 = times([start, end])
            made.append({"type": "rect", "layer": "above", "xref": "x", "yref": "paper", "x0": x0, "x1": x1, "y0": 0,
                         "y1": 1, "line": {"width": 0}, "fillcolor": "#c6ccd4", "opacity": 0.45})
    return made


def band(chosen: tuple[int, int]) -> dict[str, Any]:
    """A shape behind a window that others are compared with."""
    x0, x1 = times(chosen)
    return {"type": "rect", "layer": "below", "xref": "x", "yref": "paper", "x0": x0, "x1": x1, "y0": 0, "y1": 1,
            "line": {"width": 1, "color": PALETTE[0], "dash": "dot"}, "fillcolor": PALETTE[0], "opacity": 0.18}


def flag(number: int, chosen: tuple[int, int], note: str) -> dict[str, Any]:
    """An annotation above the middle of a window in which people marked something: its number, and what they wrote."""
    return {"xref": "x", "yref": "paper", "x": times([sum(chosen) // 2])[0], "y": 1, "yanchor": "bottom",
            "showarrow": False, "text": f"<b>⚑ {number}</b>", "hovertext": lines(note),
            "font": {"size": 12, "color": PALETTE[0]}}


def _colour(number: int, events: Events) -> str:
    return OTHER if number >= MOST_TABLES else PALETTE[number]


def _draw_alarms(drawing: Drawing, info: Info) -> None:
    raised = info.alarms or ()
    drawing.add("scatter", x=times(info.window), y=[0, 0], mode="lines", line={"width": 0}, hoverinfo="skip")
    for number, alarm in enumerate(raised):
        for span in alarm.spans:
            end = info.window[1] if span.to_ns is None else span.to_ns
            middle = (span.from_ns + end) // 2
            when = f"{format_utc(span.from_ns, date=False)[:8]} to {format_utc(end, date=False)[:8]}"
            drawing.add(
                "scatter", x=times([span.from_ns, middle, end]), y=[number + _BAR] * 3, mode="lines+markers",
                customdata=[number] * 3, line={"width": 13, "color": STATE_COLOURS.get(span.state, MUTED)},
                marker={"size": 13, "symbol": "square", "opacity": 0}, name=plotly_text(alarm.name),
                hovertemplate=f"{plotly_text(shorten(alarm.name, 80))}<br>{when} UTC: {plotly_text(span.state)}"
                              "<extra></extra>")
        first, last = alarm.spans[0].from_ns, alarm.spans[-1].to_ns
        last = info.window[1] if last is None else min(last, info.window[1])
        is_early = info.window[1] - first >= last - info.window[0]  # where its name, which is above it, has more room
        drawing.word(1, x=times([first if is_early else last])[0], y=number + _NAME, text=plotly_text(
            shorten(alarm.name, 64)), xanchor="left" if is_early else "right", font={"size": 11.5, "color": INK})
    if not raised:
        said = ("none was raised" if info.alarms is not None else "the recording could not be judged" if info.failed
                else "the recording is being judged …")
        drawing.word(1, x=times(info.window)[0], y=0, xanchor="left", text=said, font={"size": 12, "color": MUTED})
    drawing.axis("y", 1, visible=False, range=[max(1, len(raised)) - 0.5, -0.5])
    drawing.axis("x", 1, showgrid=False)


def _draw_events(drawing: Drawing, info: Info, row: int) -> None:
    x = times([*info.starts, info.window[1]])
    for number, events in reversed(list(enumerate(info.events))):
        drawing.add(
            "scatter", row, x=x, y=np.array([*events.rows, events.rows[-1]], dtype=np.float64),
            name=plotly_text(events.table), mode="lines", stackgroup="events", line={"width": 0, "shape": "hv"},
            fillcolor=_colour(number, events), hovertemplate="%{y:,d}<extra>%{fullData.name}</extra>")
    drawing.axis("y", row, rangemode="tozero", nticks=3)


def _draw_lost(drawing: Drawing, info: Info, row: int) -> None:
    drawing.add(
        "bar", row, x=times([start + info.step_ns // 2 for start in info.starts]),
        y=np.array(info.lost, dtype=np.float64),
        marker={"color": STATE_COLOURS["crit"]}, hovertemplate="%{y:,d} events lost<extra></extra>")
    for start, end, why in info.gaps:
        x0, x1 = times([start, end])
        drawing.band(row, x0, x1, OTHER, 0.5)
        drawing.add("scatter", row, x=times([(start + end) // 2]), y=[0], mode="markers",
                    marker={"size": 14, "opacity": 0},
                    hovertemplate=f"nothing is known of {plotly_text(why)}<extra></extra>")
    top = max(info.lost)
    drawing.axis("y", row, range=[0, 1.15 * top if top else 1], nticks=2, showticklabels=bool(top))
