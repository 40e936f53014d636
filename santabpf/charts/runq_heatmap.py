"""The run queue over time: how many waits for a CPU there were, by second and by length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..units import SECOND, format_count, format_duration, second_of
from .look import LINE, MUTED, NULL, PAPER, Tabular, arrow, dressed, empty, ints, times

#: More columns than these are narrower than a pixel; neighbours are added up.
MOST_COLUMNS = 600


class Info(NamedTuple):
    """A matrix of counts: waits[length][time]; 0 where nothing waited that long, or nobody was looking."""

    ts_ns: list[int]  # start of each column, UTC
    step_ns: int  # how long a column is
    wait_ns: list[int]  # each row: waits from this long to twice as long
    waits: np.ndarray[Any, np.dtype[np.int64]]
    note: str


def info(runq_hist: Tabular, window: tuple[int, int] | None = None) -> Info:
    """What the picture of the run queue says: all nodes and CPUs added up.

    runq_hist: ts_ns (end of the span, UTC), span_ns, wait_ns (a power of two), waits. Rows of the matrix go from the
    shortest to the longest wait seen, without holes. Over 600 seconds, neighbouring seconds are added up (step_ns).
    Columns cover the window where one is given, else what the rows cover. A second without waits looks like one that
    was not watched: ask coverage. Empty table: no columns and a note.
    """
    table = arrow(runq_hist)
    if table.num_rows == 0:
        return Info([], SECOND, [], np.zeros((0, 0), dtype=np.int64), "No waits for a CPU were recorded.")
    ts, span, wait, count = (ints(table, name) for name in ("ts_ns", "span_ns", "wait_ns", "waits"))
    seconds = (ts - np.where(span == NULL, 0, span) // 2) // SECOND
    first, last = int(seconds.min()), int(seconds.max())
    if window is not None:
        first, last = min(first, window[0] // SECOND), max(last, (window[1] - 1) // SECOND)
    length = last - first + 1
    step = -(-length // MOST_COLUMNS)
    columns = (seconds - first) // step
    powers = np.round(np.log2(np.maximum(wait, 1))).astype(np.int64)
    seen = powers[count > 0] if (count > 0).any() else powers
    low, high = int(seen.min()), int(seen.max())
    waits = np.zeros((high - low + 1, -(-length // step)), dtype=np.int64)
    inside = (powers >= low) & (powers <= high)
    np.add.at(waits, (powers[inside] - low, columns[inside]), np.maximum(count[inside], 0))
    note = f"One column is {step} seconds." if step > 1 else ""
    start = second_of(first * SECOND)
    return Info([start + i * step * SECOND for i in range(waits.shape[1])], step * SECOND,
                [1 << power for power in range(low, high + 1)], waits, note)


def figure(info: Info) -> go.Figure:
    """A heat map: time to the right, length of the wait upwards (each row twice the one below), darker is more."""
    if not info.ts_ns:
        return empty(info.note)
    shown = np.where(info.waits > 0, np.log10(np.maximum(info.waits, 1)), np.nan).astype(np.float32)
    labels = [format_duration(w) for w in info.wait_ns]
    hover = [
        [f"{format_count(count)} waits of {label} to {format_duration(2 * w)}" for count in row]
        for row, label, w in zip(info.waits.tolist(), labels, info.wait_ns, strict=True)
    ]
    top = max(1, int(np.ceil(np.nanmax(shown)))) if np.isfinite(shown).any() else 1
    drawing = go.Figure(go.Heatmap(
        x=times(info.ts_ns), y=list(range(len(labels))), z=shown, text=hover, zmin=-0.2, zmax=top,
        colorscale=[(0.0, "#e4eef5"), (0.35, "#8fbcd4"), (0.65, "#2f6f9f"), (1.0, "#14324a")],
        xgap=1 if len(info.ts_ns) <= 200 else 0, ygap=1, hoverongaps=False,
        hovertemplate="%{x|%H:%M:%S} UTC<br>%{text}<extra></extra>",
        colorbar={"title": {"text": "waits", "side": "top", "font": {"size": 12, "color": MUTED}},
                  "tickvals": list(range(top + 1)), "ticktext": [format_count(10**n) for n in range(top + 1)],
                  "outlinewidth": 0, "thickness": 10, "len": 0.9, "tickfont": {"color": MUTED}},
    ))
    dressed(drawing, height=80 + max(160, 17 * len(labels)), note=info.note)
    drawing.update_yaxes(
        **_length_ticks(info.wait_ns), showgrid=False,
        title={"text": "length of the wait", "font": {"size": 12, "color": MUTED}, "standoff": 8},
    )
    drawing.update_xaxes(type="date", tickformat="%H:%M:%S", showgrid=False, linecolor=LINE,
                         title={"text": "UTC", "font": {"size": 12, "color": MUTED}, "standoff": 4})
    drawing.update_layout(margin={"t": 12, "l": 78}, plot_bgcolor=PAPER)
    return drawing


def _length_ticks(wait_ns: list[int]) -> dict[str, list[Any]]:
    """Ticks at powers of ten; row n stands for wait_ns[n] to twice as long, from n - 0.5 to n + 0.5."""
    low = np.log2(wait_ns[0])
    powers = [10**n for n in range(13) if wait_ns[0] <= 10**n <= 2 * wait_ns[-1]] or wait_ns[:1]
    return {"tickvals": [float(np.log2(power) - low - 0.5) for power in powers],
            "ticktext": [format_duration(power) for power in powers]}
