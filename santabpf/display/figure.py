"""A plotly figure, shown: the same drawing in JupyterLab, trusted or not, and in the offline report.

In: anything with plotly's to_json(). Out: a bundle with application/vnd.plotly.v1+json first. Never: plotly's own
renderers (1 s of imports, or 5 MB a figure), nor its button that uploads a chart to a cloud, which is on by default.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from .escape import visible

MIME = "application/vnd.plotly.v1+json"
#: Passed with each figure; the first two keep plotly.js from ever offering to send data anywhere.
CONFIG: dict[str, Any] = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "sendDataToCloud"],
}


class _Plotly(Protocol):
    def to_json(self) -> str | None:
        """The figure as plotly.js reads it."""


class Figure:
    """A plotly figure with a sentence that stands for it where nothing can be drawn."""

    def __init__(self, figure: _Plotly, caption: str) -> None:
        self.spec: dict[str, Any] = json.loads(figure.to_json() or "{}")
        self.caption = caption

    def __repr__(self) -> str:
        return visible(f"[chart: {self.caption}]")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            MIME: {"data": self.spec["data"], "layout": self.spec["layout"], "config": CONFIG, "caption": self.caption},
            "text/plain": repr(self),
        }
