"""Lengths over time: how many of something there were, by when and by how long it took."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..display.escape import plotly_text
from ..units import format_count, format_duration
from .drawing import Drawing, empty
from .look import MUTED, Tabular, arrow, ints, times

#: Rows that are drawn at least; with fewer, one row of cells would be as high as the picture.
_LEAST_ROWS = 6


class Info(NamedTuple):
    """A matrix of counts: counts[length][time]; 0 where nothing took that long, or nobody was looking."""

    ts_ns: list[int]  # start of each column, UTC
    step_ns: int  # how long a column is
    length_ns: list[int]  # each row: from this long to twice as long
    counts: np.ndarray[Any, np.dtype[np.int64]]
    what: str  # of what: 'waits'
    note: str


def info(binned: Tabular, window: tuple[int, int], step_ns: int, what: str) -> Info:
    """What the picture says, of rows that were binned already.

    binned: at (which column, counted from the start of the window), power (length_ns is 2 to the power of it), count.
    Rows of the matrix go from the shortest to the longest length seen, without holes; columns cover the window. No
    rows: no columns, and a note.
    """
    table = arrow(binned)
    at, power, count = (ints(table, name) for name in ("at", "power", "count"))
    columns = max(1, -(-(window[1] - window[0]) // step_ns))
    inside = (at >= 0) & (at < columns) & (count > 0)
    at, power, count = at[inside], power[inside], count[inside]
    if not len(at):
        return Info([], step_ns, [], np.zeros((0, 0), dtype=np.int64), what, f"There were no {what} in this window.")
    low, high = int(power.min()), int(power.max())
    counts = np.zeros((high - low + 1, columns), dtype=np.int64)
    np.add.at(counts, (power - low, at), count)
    note = f"One column is {format_duration(step_ns)}."
    return Info([window[0] + n * step_ns for n in range(columns)], step_ns, [1 << p for p in range(low, high + 1)],
                counts, what, note)


def figure(info: Info, **layout: Any) -> go.Figure:
    """A heat map: time to the right, length upwards (each row twice the one below), darker is more.

    layout: more of plotly's.
    """
    if not info.ts_ns:
        return empty(info.note)
    shown = np.where(info.counts > 0, np.log10(np.maximum(info.counts, 1)), np.nan).astype(np.float32)
    labels = [format_duration(length) for length in info.length_ns]
    beside = max(0, -(-(_LEAST_ROWS - len(labels)) // 2))  # empty rows below, and as many above
    hover = [
        [f"{format_count(count)} {plotly_text(info.what)} of {label} to {format_duration(2 * length)}" if count else ""
         for count in row]
        for row, label, length in zip(info.counts.tolist(), labels, info.length_ns, strict=True)
    ]
    top = max(1, int(np.ceil(np.nanmax(shown)))) if np.isfinite(shown).any() else 1
    drawing = Drawing()
    drawing.add(
        "heatmap",
        x=times([ts + info.step_ns // 2 for ts in info.ts_ns]), y=list(range(len(labels))),  # cells, by their middles
        z=shown, text=hover, zmin=-0.2, zmax=top,
        colorscale=[(0.0, "#e4eef5"), (0.35, "#8fbcd4"), (0.65, "#2f6f9f"), (1.0, "#14324a")],
        xgap=1 if len(info.ts_ns) <= 200 else 0, ygap=1, hoverongaps=False,
        hovertemplate="%{x|%H:%M:%S} UTC<br>%{text}<extra></extra>",
        colorbar={"title": {"text": plotly_text(info.what), "side": "top", "font": {"size": 12, "color": MUTED}},
                  "tickvals": list(range(top + 1)), "ticktext": [format_count(10**n) for n in range(top + 1)],
                  "outlinewidth": 0, "thickness": 10, "len": 0.9, "tickfont": {"color": MUTED}},
    )
    drawing.axis(
        "y", None, **_length_ticks(info.length_ns, beside), showgrid=False,
        range=[-0.5 - beside, len(labels) - 0.5 + beside],
        title={"text": f"length of the {plotly_text(info.what)}" if len(labels) > 8 else "length", "standoff": 8,
               "font": {"size": 12, "color": MUTED}},
    )
    drawing.axis("x", type="date", tickformat="%H:%M:%S", showgrid=False,
                 title={"text": "UTC", "font": {"size": 12, "color": MUTED}, "standoff": 4})
    # room for the longest title of a colour bar, so that pictures below each other are as wide as each other
    return drawing.figure(height=80 + 17 * (len(labels) + 2 * beside), note=info.note,
                          margin={"t": 12, "l": 78, "r": 116}, **layout)


def _length_ticks(length_ns: list[int], beside: int) -> dict[str, list[Any]]:
    """Ticks at powers of ten; row n stands for length_ns[n] to twice as long, from n - 0.5 to n + 0.5."""
    low = np.log2(length_ns[0])
    powers = [10**n for n in range(13) if length_ns[0] <= 10**n * 2**beside and 10**n <= 2 * length_ns[-1] << beside]
    return {"tickvals": [float(np.log2(power) - low - 0.5) for power in powers],
            "ticktext": [format_duration(power) for power in powers]}
