"""The workbench: where one investigates, in JupyterLab, by looking and clicking.

    investigation.py  what is looked at and was found: pure     view.py  window, filters, findings: values
    lens.py           a view as SQL over each table             panels/  what is shown of a view, one file each
    ranking.py        who has most, over several tables         part.py  a piece of a panel, and what a click stands for
    library.py        the recordings of a folder                times.py moments as people type them
    judged.py         what was judged of them before         lit.py   the rows of evidence that a view is about
    moments.py, comparing.py     two moments chosen and compared: pure, and as widgets
    told.py           an investigation in a notebook, without widgets
    app.py            all of it as one widget, of panel_view.py, findings_box.py, controls.py
    chart.py, flame.py, pane.py  a figure, a flame graph, words and tables as live widgets
    player.py, player_panel.py   a recording played as if live; board.py: alarms at a moment
    live_session.py, live_panel.py a node watched while it is recorded, of meter.py, history.py, scenario_picker.py

In: recordings. Out: widgets, each of them thin; what they show is also one call of the Python API. Never: events in
the browser: panels aggregate them in DuckDB first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .app import Workbench, investigate
from .chart import Chart
from .comparing import Comparing, comparing
from .flame import FlameGraph
from .investigation import Investigation
from .pane import Pane
from .player import Player
from .player_panel import play
from .told import findings, restored, show
from .view import Filter, Finding, View, Window

if TYPE_CHECKING:
    from .live_panel import live as live
    from .live_session import LiveSession as LiveSession

#: What needs the left wing, which takes a while to load: imported when it is first asked for.
_LATER = {"live": "live_panel", "LiveSession": "live_session"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)


__all__ = [
    "Chart", "Comparing", "Filter", "Finding", "FlameGraph", "Investigation", "LiveSession", "Pane", "Player", "View",
    "Window", "Workbench", "comparing", "findings", "investigate", "live", "play", "restored", "show",
]
