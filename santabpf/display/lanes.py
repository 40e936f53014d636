"""Thousands of boxes in time, on rows: drawn by our own canvas, since plotly takes minutes for what this does at once.

In: boxes with a start, a length and a row. Out: a bundle whose HTML holds the boxes once, packed, and a small still
picture for where no script runs (an untrusted notebook). Never: markup from a label; the canvas draws text as text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .escape import html_text, shorten, visible
from .page import notebook_script, notebook_style, packed

#: Longest command line that is kept for the tooltip.
LONGEST_DETAIL = 300
#: Most boxes in the still picture.
MOST_STILL = 600


class Box(NamedTuple):
    """One box: times in µs from the start of the window."""

    start_us: int
    span_us: int
    row: int
    parent: int  # its place in the list, -1 for none
    name: str
    facts: str
    detail: str
    failed: bool


class Lanes:
    """Boxes on rows over UTC time, with spans shaded behind them; zoom by wheel, pan by drag, hover for the facts."""

    def __init__(
        self,
        window: tuple[int, int],
        boxes: Sequence[Box],
        rows: int,
        colours: Mapping[str, str],
        spans: Sequence[tuple[int, int, str]],
        note: str,
        caption: str,
    ) -> None:
        self.window, self.boxes, self.rows, self.colours = window, boxes, rows, colours
        self.spans, self.note, self.caption = spans, note, caption

    def payload(self) -> dict[str, Any]:
        """What the canvas reads: columns of numbers, and each text once."""
        names: dict[str, int] = {name: at for at, name in enumerate(self.colours)}
        details: dict[str, int] = {"": 0}
        for box in self.boxes:
            names.setdefault(box.name, len(names))
            details.setdefault(shorten(box.detail, LONGEST_DETAIL), len(details))
        return {
            "start_ms": self.window[0] // 1_000_000, "span_us": max(1, (self.window[1] - self.window[0]) // 1000),
            "rows": self.rows,
            "s": [box.start_us for box in self.boxes], "d": [box.span_us for box in self.boxes],
            "r": [box.row for box in self.boxes], "p": [box.parent for box in self.boxes],
            "n": [names[box.name] for box in self.boxes], "f": [visible(box.facts) for box in self.boxes],
            "t": [details[shorten(box.detail, LONGEST_DETAIL)] for box in self.boxes],
            "bad": [at for at, box in enumerate(self.boxes) if box.failed],
            "names": [visible(name) for name in names], "colours": [self.colours.get(name, "") for name in names],
            "details": list(details), "spans": [list(span) for span in self.spans],
        }

    def html(self) -> str:
        """The element that santa.js turns into a canvas, with the still picture inside."""
        if not self.boxes:
            return f'<div class="santa"><p class="santa-note santa-empty">{html_text(self.note)}</p></div>'
        payload = packed(json.dumps(self.payload(), separators=(",", ":")))
        still = base64.b64encode(self.still().encode()).decode()
        note = f'<p class="santa-note">{html_text(self.note)}</p>' if self.note else ""
        return (
            f'<div class="santa"><div class="santa-lanes" data-santa-lanes="{payload}">'
            f'<img alt="{html_text(self.caption)}" src="data:image/svg+xml;base64,{still}" width="100%"></div>'
            f"{note}</div>"
        )

    def still(self) -> str:
        """An SVG of the longest boxes; no text from outside."""
        width, row_height = 1000, max(2.0, min(14.0, 420 / max(self.rows, 1)))
        scale = width / max(1, (self.window[1] - self.window[0]) // 1000)
        longest = sorted(self.boxes, key=lambda box: -box.span_us)[:MOST_STILL]
        rects = "".join(
            f'<rect x="{box.start_us * scale:.1f}" y="{box.row * row_height:.1f}" rx="1" '
            f'width="{max(1.0, box.span_us * scale):.1f}" height="{row_height * 0.85:.1f}" '
            f'fill="{html_text(self.colours.get(box.name, "#77828f"))}"/>'
            for box in longest
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {self.rows * row_height:.0f}" '
            f'width="{width}" height="{self.rows * row_height:.0f}" preserveAspectRatio="none">{rects}</svg>'
        )

    def __repr__(self) -> str:
        return visible(f"[chart: {self.caption}]" + (f" {self.note}" if self.note else ""))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/html": notebook_style() + self.html() + notebook_script(), "text/plain": repr(self)}
