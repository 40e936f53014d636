"""The run queue over time: how many waits for a CPU there were, by second and by length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..units import SECOND, second_of
from . import latency_heatmap
from .look import NULL, Tabular, arrow, ints

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
    return latency_heatmap.figure(
        latency_heatmap.Info(info.ts_ns, info.step_ns, info.wait_ns, info.waits, "waits", info.note))
