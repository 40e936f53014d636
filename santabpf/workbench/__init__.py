"""The workbench: where one investigates, in JupyterLab, by looking and clicking.

    chart.py   one of our plotly figures as a live widget     flame.py  a flame graph as a live widget

In: recordings. Out: widgets, each of them thin; what they show is also one call of the Python API. Never: events in
the browser: panels aggregate them in DuckDB first.
"""

from __future__ import annotations

from .chart import Chart
from .flame import FlameGraph

__all__ = ["Chart", "FlameGraph"]
