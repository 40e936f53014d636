"""What all charts share: columns as numpy arrays, the time axis, colours and fonts.

In: Arrow or pandas tables; figures. Out: arrays; a figure with our look. Never: a chart's own decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
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


def dressed(figure: go.Figure, *, height: int, note: str = "") -> go.Figure:
    """The figure with our fonts, colours and margins, and its note below the drawing."""
    figure.update_layout(
        template=None, height=height + (22 if note else 0), paper_bgcolor=PAPER, plot_bgcolor=PAPER,
        font={"family": FONT, "size": 13, "color": INK},
        margin={"l": 64, "r": 24, "t": 28, "b": 44 + (22 if note else 0)},
        hoverlabel={"font": {"family": FONT, "size": 12}, "align": "left"}, colorway=list(PALETTE),
        dragmode="zoom",
    )
    figure.update_xaxes(gridcolor=LINE, linecolor=LINE, zeroline=False, tickfont={"color": MUTED}, ticks="")
    figure.update_yaxes(gridcolor=LINE, linecolor=LINE, zeroline=False, tickfont={"color": MUTED}, ticks="")
    if note:
        figure.add_annotation(
            text=plotly_text(note), xref="paper", yref="paper", x=0, y=0, yshift=-58, xanchor="left", yanchor="bottom",
            showarrow=False, align="left", font={"size": 12, "color": MUTED},
        )
    return figure


class Marks:
    """Bands, lines and words in a figure with one column of subplots, put there at once.

    plotly's add_vrect and add_hline check the whole figure for each of them: 30 ms apiece (plotly 7.1, 2026-11).
    """

    def __init__(self) -> None:
        self._shapes: list[dict[str, Any]] = []
        self._words: list[dict[str, Any]] = []

    def band(self, row: int, start: str, end: str, colour: str, opacity: float) -> None:
        """Shade a row from one time to another, behind what is drawn."""
        self._shapes.append({"type": "rect", "layer": "below", "xref": _axis("x", row),
                             "yref": f"{_axis('y', row)} domain", "x0": start, "x1": end, "y0": 0, "y1": 1,
                             "line": {"width": 0}, "fillcolor": colour, "opacity": opacity})

    def level(self, row: int, value: float, label: dict[str, Any], *, yshift: float = 0.0) -> None:
        """A dashed line across a row, with its label at the right, moved so many pixels upwards."""
        across = {"xref": f"{_axis('x', row)} domain", "yref": _axis("y", row)}
        self._shapes.append({"type": "line", **across, "x0": 0, "x1": 1, "y0": value, "y1": value,
                             "line": {"color": label["font"]["color"], "width": 1.4, "dash": "dash"}})
        self._words.append({**across, "x": 1.003, "y": value, "showarrow": False, "xanchor": "left",
                            "yanchor": "middle", "yshift": yshift, **label})

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

    def put(self, drawing: go.Figure) -> None:
        """Into the figure, after those that it has."""
        drawing.update_layout(shapes=[*drawing.layout.shapes, *self._shapes],
                              annotations=[*drawing.layout.annotations, *self._words])


def _axis(letter: str, row: int) -> str:
    return letter if row == 1 else f"{letter}{row}"


def empty(note: str) -> go.Figure:
    """A picture that says why there is none."""
    figure = go.Figure()
    figure.add_annotation(
        text=plotly_text(note), xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False,
        font={"size": 14, "color": MUTED},
    )
    dressed(figure, height=110)
    figure.update_layout(margin={"t": 10, "b": 10})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure
