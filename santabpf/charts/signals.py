"""Signals over time: what the alarms looked at, second by second, with the alarms' spans and thresholds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..display.escape import plotly_text, shorten
from ..units import COMPARED, HOUR, MINUTE, MS, SECOND, US, format_duration
from .drawing import Drawing, empty
from .look import (
    MUTED,
    NULL,
    PALETTE,
    STATE_COLOURS,
    Tabular,
    arrow,
    floats,
    ints,
    lines,
    texts,
    times,
)

#: More lines than these in one panel can't be told apart.
MOST_SERIES = 6
#: A share is drawn on an axis that ends here at least, so that next to nothing looks like it.
_LEAST_RATIO = 0.05
#: Heights in pixels: of a panel with an alarm, of one beside it, and of the space between two.
_ALARMED, _BESIDE, _BETWEEN = 150, 84, 52
#: The axis is broken where nothing was recorded for longer than this share of all that was; and what is left of such a
#: gap on either side, as a share of it too, so that its length can be written there.
_LONG, _LEFT = 0.5, 0.03
#: Seconds from one label of a broken axis to the next, and how many labels there may be.
_TICKS, _MOST_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600), 8
#: Pixels from one label of a threshold to the next, at least.
_LABEL = 26
#: What an alarm looks at, in words that go on with a stretch of time.
_LOOKUPS = {"avg": "the mean of", "sum": "the sum of", "min": "the least of", "max": "the most of",
            "count": "the number of seconds that have any, of"}
_STEPS = {"ns": ((MINUTE, "min"), (SECOND, "s"), (MS, "ms"), (US, "µs"), (1, "ns")),
          "bytes": ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))}


#: A scenario, and one of its signals or alarms.
Key = tuple[str, str]


class Threshold(NamedTuple):
    """What an alarm compares with a lookup over the signal's last seconds, in the signal's unit."""

    scenario: str
    signal: str
    state: str  # warn or crit
    value: float
    op: str = ">"
    lookup: str = "avg"
    over_s: int = 1

    @property
    def is_level(self) -> bool:
        """Whether it can be compared with a single second's value: a sum of several seconds can't."""
        return self.over_s == 1 or self.lookup not in ("sum", "count")


class Span(NamedTuple):
    """When an alarm was raised; to_ns is None where it was at the end."""

    from_ns: int
    to_ns: int | None
    state: str


class Series(NamedTuple):
    """One line: a label of one node; values are NaN in seconds of which nothing is known."""

    name: str
    ts_ns: list[int]
    values: list[float]


class Panel(NamedTuple):
    """One signal: its lines, its unit as drawn, its thresholds and its alarms' spans."""

    scenario: str
    signal: str
    of: str  # the scenario, where another one has a signal of this name
    about: str  # a sentence, '' for none
    unit: str
    series: tuple[Series, ...]
    left_out: int
    thresholds: tuple[Threshold, ...]
    spans: tuple[Span, ...]

    @property
    def nearness(self) -> float | None:
        """Its peak as a share of the lowest level that raises an alarm when it is exceeded; None: there is none."""
        levels = [t.value for t in self.thresholds if t.is_level and t.op in (">", ">=") and t.value > 0]
        return max((_peak(np.array(s.values)) for s in self.series), default=0.0) / min(levels) if levels else None


class Info(NamedTuple):
    """All panels, one below the other over one time axis; a note where there are none, or some were left out.

    stretches: from when to when (ns) was recorded, if that is known; between two of them the axis breaks.
    """

    panels: tuple[Panel, ...]
    note: str
    stretches: tuple[tuple[int, int], ...] = ()


def info(
    signals: Tabular,
    alarms: Tabular,
    *,
    units: Mapping[Key, str] | None = None,
    about: Mapping[Key, str] | None = None,
    thresholds: Sequence[Threshold] = (),
    alarm_signals: Mapping[Key, str] | None = None,
    left_out: Collection[Key] = (),
    recorded: Sequence[tuple[int, int]] = (),
) -> Info:
    """What the picture of signals over time says.

    signals: scenario, signal, second (ns, start of the second, UTC), node, label, value. alarms: scenario, alarm,
    node, label, state (warn or crit), from_ns, to_ns. units and about (a sentence) by scenario and signal;
    alarm_signals: scenario and alarm -> the signal it looks at (an alarm that is not there shades all panels). A panel
    is one signal of one scenario: two scenarios may use the same name. It keeps the six labels that peak highest;
    signals in left_out get no panel. recorded: the windows of several recordings; those that are far apart become
    stretches. Values are drawn in the largest unit that fits their peak. Empty tables: no panels and a note.
    """
    table, raised = arrow(signals), arrow(alarms)
    names = list(zip(texts(table, "scenario"), texts(table, "signal"), strict=True))
    if not names:
        return Info((), "No signals: nothing was recorded that they could be computed from.")
    seconds, values = ints(table, "second"), floats(table, "value")
    nodes, labels = texts(table, "node"), texts(table, "label")
    several_nodes = len(set(nodes)) > 1
    rows_of: dict[Key, dict[str, list[int]]] = {}
    for at, key in enumerate(names):
        if key in left_out:
            continue
        name = " · ".join(part for part in (nodes[at] if several_nodes else "", labels[at]) if part)
        rows_of.setdefault(key, {}).setdefault(name, []).append(at)
    used = Counter(signal for _, signal in rows_of)
    spans = _spans(raised, alarm_signals or {})
    panels = []
    for key, by_name in rows_of.items():
        scenario, signal = key
        rows = {name: np.array(sorted(at, key=lambda i: seconds[i])) for name, at in by_name.items()}
        ranked = sorted(rows, key=lambda name: (-_peak(values[rows[name]]), name))
        peak = max((_peak(values[at]) for at in rows.values()), default=0.0)
        limits = [t for t in thresholds if (t.scenario, t.signal) == key]
        most = max([peak, *(abs(t.value) for t in limits if t.is_level)])
        divisor, unit = _scale((units or {}).get(key, "none"), most)
        panels.append(Panel(
            scenario, signal, scenario if used[signal] > 1 else "", (about or {}).get(key, ""), unit,
            tuple(Series(name, seconds[rows[name]].tolist(), (values[rows[name]] / divisor).tolist())
                  for name in ranked[:MOST_SERIES]),
            max(0, len(ranked) - MOST_SERIES),
            tuple(t._replace(value=t.value / divisor) for t in limits),
            tuple(span for of, span in spans if of in (("", ""), key)),
        ))
    panels.sort(key=lambda panel: (not panel.spans, not panel.thresholds))
    return Info(tuple(panels), "", _stretches(recorded))


def foremost(info: Info, most: int) -> Info:
    """So many of the panels: those of alarms that were on, others of the same scenarios, those nearest to an alarm.

    Which are nearest is no matter of their order, so that a live picture does not jump.
    """
    on = {panel.scenario for panel in info.panels if panel.spans}

    def place(panel: Panel) -> tuple[bool, bool]:
        return not panel.spans, panel.scenario not in on

    ranked = sorted(info.panels, key=lambda panel: (*place(panel), -(panel.nearness or 0)))
    if len(ranked) <= most:
        return info
    left = ranked[most:]
    more = "1 more signal that came" if len(left) == 1 else f"{len(left)} more signals that came"
    kept = sorted((panel for panel in info.panels if panel not in left), key=place)
    return info._replace(panels=tuple(kept), note=f"Not shown: {more} less near to an alarm.")


def _stretches(recorded: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The windows, those together that are not apart by a long gap."""
    long = _LONG * sum(end - start for start, end in recorded)
    out: list[tuple[int, int]] = []
    for start, end in sorted(recorded):
        if out and start - out[-1][1] <= long:
            start, last = out.pop()
            end = max(end, last)
        out.append((start, end))
    return tuple(out)


def _peak(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    known = values[~np.isnan(values)]
    return float(np.abs(known).max()) if known.size else 0.0


def _scale(unit: str, peak: float) -> tuple[float, str]:
    """What to divide by, and the unit that results."""
    for size, name in _STEPS.get(unit, ()):
        if peak >= size:
            return float(size), name
    return 1.0, {"ratio": "%", "count": "", "none": "", "id": ""}.get(unit, unit)


def _spans(alarms: object, of: Mapping[Key, str]) -> list[tuple[Key, Span]]:
    """Each with the scenario and the signal that it is of; empty where that is not known."""
    table = arrow(alarms)
    starts, ends = ints(table, "from_ns"), ints(table, "to_ns")
    rows = zip(texts(table, "scenario"), texts(table, "alarm"), texts(table, "state"), starts, ends, strict=True)
    return [
        ((scenario, of[scenario, name]) if (scenario, name) in of else ("", ""),
         Span(int(start), None if end == NULL else int(end), state))
        for scenario, name, state, start, end in rows
    ]


def figure(info: Info, **layout: Any) -> go.Figure:
    """The panels, each a step line per label over UTC time; alarms shaded, thresholds dashed.

    layout: more of plotly's.
    """
    if not info.panels:
        return empty(info.note)
    count = len(info.panels)
    heights = [_ALARMED if panel.spans or panel.thresholds else _BESIDE for panel in info.panels]
    inside = sum(heights) + _BETWEEN * (count - 1)
    drawing = Drawing(heights, _BETWEEN)
    last = max((s.ts_ns[-1] for p in info.panels for s in p.series), default=0) + SECOND
    for row, panel in enumerate(info.panels, start=1):
        drawing.title(row, title(panel), 13, hover(panel))
        draw_panel(drawing, panel, row, last, heights[row - 1])
    _break_axis(drawing, info.stretches, heights)
    drawing.axis("x", type="date", hoverformat="%H:%M:%S UTC", tickformat="%H:%M:%S")
    drawing.axis("x", count, title={"text": "UTC", "font": {"size": 12, "color": MUTED}, "standoff": 4})
    drawing.axis("y", nticks=4)
    return drawing.figure(height=inside + 36 + 44, note=info.note, margin={"t": 36, "r": 96}, showlegend=False,
                          hovermode="x", **layout)


def _break_axis(drawing: Drawing, stretches: Sequence[tuple[int, int]], heights: Sequence[int]) -> None:
    """Take most of the gaps between the stretches out of the axis; what is left is grey, and says how long it was."""
    if len(stretches) < 2:
        return
    known = sum(end - start for start, end in stretches)
    left = int(_LEFT * known)
    step = next((s for s in _TICKS if s * SECOND * _MOST_TICKS >= known), _TICKS[-1]) * SECOND
    gaps = [(before[1], after[0]) for before, after in pairwise(stretches)]
    ticks: list[int] = []  # of its own, plotly labels one stretch only
    for start, end in stretches:  # not at its very edges: there the next stretch's are near
        inside = range(-(-(start + left) // step) * step, end - left, step)
        ticks += inside or [(start + end) // 2 // SECOND * SECOND]
    drawing.axis("x", rangebreaks=[{"bounds": times([start + left, end - left])} for start, end in gaps],
                 range=times([stretches[0][0], stretches[-1][1]]), tickvals=times(ticks))
    for start, end in gaps:
        begin, middle, stop = times([start, start + left, end])
        length = end - start
        told = f"{length // MINUTE} min" if 10 * MINUTE <= length < HOUR else format_duration(length)
        for row, height in enumerate(heights, start=1):
            drawing.band(row, begin, stop, MUTED, 0.16)
            drawing.along(row, middle, f"{told} not recorded" if height >= _ALARMED else told)


def title(panel: Panel) -> str:
    """The signal's name and unit, and which colour is whose (a legend of its own would serve one panel only), or else
    what it is about. What stands after the first em space is left out where the page is narrow (display/santa.js)."""
    unit = f" ({panel.unit})" if panel.unit and panel.unit != "%" else ""
    text = f"<b>{plotly_text(panel.signal)}</b>{plotly_text(unit)}"
    text += plotly_text(f" of {panel.of}") if panel.of else ""
    if len(panel.series) == 1 and not panel.series[0].name and panel.about:
        return f"{text}\u2003<span style='color:{MUTED};font-size:11px'>{plotly_text(shorten(panel.about, 118))}</span>"
    for number, series in enumerate(panel.series):
        if series.name:
            colour = PALETTE[number % len(PALETTE)]
            text += f"\u2003<span style='color:{colour}'>■</span> {plotly_text(shorten(series.name, 24))}"
    return text + (f"\u2003<span style='color:{MUTED}'>+ {panel.left_out} more</span>" if panel.left_out else "")


def hover(panel: Panel) -> str | None:
    """What the signal is, in lines, for when its title is pointed at; None where nothing is known of it."""
    return lines(panel.about) or None


def draw_panel(drawing: Drawing, panel: Panel, row: int, last_ns: int, height: int) -> None:
    """The lines of a panel in its row, so many pixels high, with its spans and thresholds."""
    form = ".1%" if panel.unit == "%" else ",.4~g"
    tail = f" {panel.unit}" if panel.unit not in ("%", "") else ""
    for number, series in enumerate(panel.series):
        name = plotly_text(shorten(series.name or panel.signal, 48))
        drawing.add(
            "scatter", row, name=name, mode="lines",
            x=times([*series.ts_ns, series.ts_ns[-1] + SECOND]),  # the last second, too, is drawn to its end
            y=np.array([*series.values, series.values[-1]], dtype=np.float32),
            line={"shape": "hv", "width": 2, "color": PALETTE[number % len(PALETTE)]}, connectgaps=False,
            hovertemplate=f"%{{y:{form}}}{plotly_text(tail)}" + ("<extra>%{fullData.name}</extra>" if series.name
                                                                   else "<extra></extra>"),
        )
    for span in panel.spans:
        start, end = times([span.from_ns, last_ns if span.to_ns is None else span.to_ns])
        drawing.band(row, start, end, STATE_COLOURS.get(span.state, MUTED), 0.13)
    levels = [limit for limit in panel.thresholds if limit.is_level]
    peak = max([_peak(np.array(s.values)) for s in panel.series] + [abs(t.value) for t in levels])
    top = None
    if not any(value < 0 for series in panel.series for value in series.values):
        top = max(1.15 * peak, _LEAST_RATIO if panel.unit == "%" else 0.0) or 1
        drawing.axis("y", row, range=[0, top])
    at = -math.inf  # where the label below stands, in pixels
    for same in _alike(levels):
        value = same[0].value
        place = 0.0 if top is None else value / top * height
        at = max(place, at + _LABEL)
        drawing.level(row, value, _label(panel, same), yshift=at - place if top is not None else 0.0)
    for nth, limit in enumerate(one for one in panel.thresholds if not one.is_level):
        drawing.beside(row, _label(panel, [limit]), yshift=-_LABEL * nth)
    if panel.unit == "%":
        drawing.axis("y", row, tickformat=".0%")


def _alike(levels: Iterable[Threshold]) -> list[list[Threshold]]:
    """Those that several alarms have in common together, the lowest first: they are one line."""
    found: dict[tuple[float, str, str], list[Threshold]] = {}
    for limit in levels:
        found.setdefault((limit.value, limit.state, limit.op), []).append(limit)
    return sorted(found.values(), key=lambda same: same[0].value)


def _label(panel: Panel, same: Sequence[Threshold]) -> dict[str, Any]:
    """An annotation that says what an alarm, or several, compare with; and how each does, when it is pointed at."""
    limit = same[0]
    colour = STATE_COLOURS.get(limit.state, MUTED)
    unit = f" {panel.unit}" if panel.unit not in ("%", "") else ""
    value = f"{limit.value:.0%}" if panel.unit == "%" else f"{limit.value:.4g}{unit}"
    beyond = f"{COMPARED[limit.op]} {value}"
    how = []
    for one in same:
        seconds = f"the last {one.over_s} s" if one.over_s > 1 else "a second"
        how.append(f"{one.state} is raised where {_LOOKUPS.get(one.lookup, one.lookup)} {seconds} is {beyond}")
    tail = "" if limit.is_level else f" in {limit.over_s} s"
    does = {"warn": "warns", "crit": "critical"}.get(limit.state, limit.state)
    return {"text": f"{plotly_text(does)}<br>{plotly_text(beyond + tail)}",
            "hovertext": "<br>".join(map(plotly_text, how)), "align": "left", "font": {"size": 11, "color": colour}}
