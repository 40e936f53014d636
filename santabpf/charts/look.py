"""What all charts share: columns as numpy arrays, the time axis, colours and fonts.

In: Arrow or pandas tables. Out: arrays. Never: a chart's own decisions, or a figure (see drawing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..display.escape import plotly_text, shorten
from ..units import MS

#: The page swaps these four, letter for letter, for those of a dark theme (display/santa.js).
INK, MUTED, LINE, PAPER = "#1f2933", "#5f6b7a", "#e3e7ec", "#ffffff"
#: Nine hues that differ for the colour-blind too, by lightness as well (after Okabe and Ito, 2008); grey for the rest.
PALETTE = ("#2f6f9f", "#d98324", "#3f8f6b", "#a24c7c", "#7a68b3", "#b59a1f", "#4aa3b8", "#c1543f", "#8a6d4f")
OTHER = "#77828f"
STATE_COLOURS = {"warn": "#c98a12", "crit": "#b42318"}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
#: Stands for null in an int64 column: numpy has no null, and a float would round times that are 104 days from zero.
NULL = -(1 << 63)

Tabular = Any  # a pyarrow.Table, a RecordBatch, or a pandas.DataFrame


def arrow(table: Tabular) -> pa.Table:
    """The table as a pyarrow.Table."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    return pa.Table.from_pandas(table, preserve_index=False)


def ints(table: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """An integer column as int64, NULL for null; all NULL where the table has no such column."""
    if column not in table.column_names:
        return np.full(table.num_rows, NULL, dtype=np.int64)
    values = table.column(column).combine_chunks().cast(pa.int64())
    return np.asarray(pc.fill_null(values, NULL).to_numpy(zero_copy_only=False), dtype=np.int64)


def floats(table: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A number column as float64, NaN for null."""
    values = table.column(column).combine_chunks().cast(pa.float64())
    return np.asarray(pc.fill_null(values, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)


def texts(table: pa.Table, column: str) -> list[str]:
    """A text column as a list, '' for null; all '' where the table has no such column."""
    if column not in table.column_names:
        return [""] * table.num_rows
    return [value or "" for value in table.column(column).to_pylist()]


def times(ts_ns: Sequence[int] | np.ndarray[Any, np.dtype[np.int64]]) -> list[str]:
    """UTC ns -> what plotly's date axis takes, to the millisecond; it shows them as they are, so: UTC."""
    milliseconds = np.asarray(ts_ns, dtype=np.int64) // MS
    return [str(t) for t in milliseconds.astype("datetime64[ms]")]


def lines(text: str) -> str:
    """A long sentence in lines, for a label that appears where one points."""
    return "<br>".join(map(plotly_text, wrap(shorten(text, 600), 80)))
