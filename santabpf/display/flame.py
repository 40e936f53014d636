"""A flame graph: who called whom, and how wide a share of the time each took; drawn by our own canvas.

In: frames in the order of the drawing, each with its depth and what was spent in it. Out: a bundle whose HTML holds
them once, packed, and a small still picture for where no script runs. Never: markup from a function's name, which
comes out of a binary and may be anything; canvas and tooltip take it as text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from .. import __version__
from .escape import html_text, markdown_text, shorten, visible
from .page import flame_script, notebook_style, packed

#: Longest name that is kept; C++ has longer ones, which nobody reads to the end.
LONGEST_NAME = 1000
#: Boxes narrower than this share of the still picture are not in it.
STILL_LEAST = 0.002
SPEEDSCOPE = "https://www.speedscope.app/file-format-schema.json"
EXPORTER = f"SantaBPF {__version__}"
#: As in flame.js, light; the still picture has no theme.
_STILL_COLOURS = {"user": "#f4b968", "kernel": "#8ab8e2", "jit": "#8fcca5", "thread": "#c3b5e3", "all": "#d3d9e0"}


class Frame(NamedTuple):
    """One box. Frames come callers first, and the callees of one frame, with all below them, one after the other."""

    depth: int  # 0 for the root alone
    name: str
    module: str
    kind: str  # user, kernel, jit, unresolved, cut, thread; all (the root), small (what is too narrow to be shown)
    value: int  # spent in this frame itself
    before: int = 0  # the same of an earlier recording, where two are compared


class Flame:
    """A flame graph that can be zoomed, searched and saved as collapsed stacks or for speedscope."""

    def __init__(
        self, frames: Sequence[Frame], unit: str, whole: str, note: str = "", *, lead: str = "",
        sample_ns: int | None = None, compared: bool = False, seconds: tuple[float, float] | None = None,
    ) -> None:
        """unit: samples or ns. whole: what is shared out ('CPU time'). sample_ns: how long one sample stands for.

        lead stands above the picture: of whom and when it is; note below it. seconds: how long before and after took,
        where they are compared by what a second took, and not by their shares of the whole.
        """
        self.frames, self.unit, self.whole, self.lead, self.note = frames, unit, whole, lead, note
        self.sample_ns, self.compared, self.seconds = sample_ns, compared, seconds
        self.caption = f"flame graph of {whole}, {max(0, len(frames) - 1)} frames"

    def reading(self, below: bool = True) -> str:
        """One sentence for people who see such a picture for the first time."""
        side, other = ("below", "below") if below else ("above", "above")
        box = "How to read it: each box is a function, as wide as its share of the "
        if self.seconds:
            return (f"{box}{self.whole} of a second, before and after taken together, and stands {side} the one that "
                    "called it; red ones took more of a second after than before, blue ones less.")
        if self.compared:
            return (f"{box}{self.whole}, before and after taken together, and stands {side} the one that called it; "
                    "red ones took a larger share after than before, blue ones a smaller one.")
        return (f"{box}{self.whole}, and stands {side} the one that called it; a wide box with nothing {other} it is "
                f"where the {self.whole} went.")

    def payload(self) -> dict[str, Any]:
        """What the canvas reads: columns of numbers, and each text once."""
        symbols: dict[tuple[str, str, str], int] = {}
        number = [symbols.setdefault((f.name, f.module, f.kind), len(symbols)) for f in self.frames]
        texts: dict[str, int] = {}
        kinds: dict[str, int] = {}
        parts = []
        for name, module, kind in symbols:
            parts += [texts.setdefault(shorten(text, LONGEST_NAME), len(texts)) for text in (name, module)]
            parts.append(kinds.setdefault(kind, len(kinds)))
        return {
            "unit": self.unit, "whole": visible(self.whole), "sample_ns": self.sample_ns or 0,
            "d": [frame.depth for frame in self.frames], "v": [frame.value for frame in self.frames],
            "b": [frame.before for frame in self.frames] if self.compared else None, "seconds": self.seconds,
            "n": number, "s": parts,
            "texts": list(texts), "kinds": list(kinds), "reading": [self.reading(), self.reading(below=False)],
            "schema": SPEEDSCOPE, "exporter": EXPORTER,
        }

    def html(self) -> str:
        """The element that flame.js turns into a canvas, with the still picture inside."""
        return self._html

    @cached_property
    def _html(self) -> str:
        if not sum(frame.value + frame.before for frame in self.frames):
            said = self.note or f"No stacks were recorded, so nothing is known of where the {self.whole} went."
            return f'<div class="santa"><p class="santa-note santa-empty">{html_text(said)}</p></div>'
        payload = packed(json.dumps(self.payload(), separators=(",", ":")))
        still = base64.b64encode(self.still().encode()).decode()
        note = f'<p class="santa-note">{html_text(self.note)}</p>' if self.note else ""
        lead = f"<p>{html_text(self.lead)}</p>" if self.lead else ""
        return (
            f'<div class="santa">{lead}<div class="santa-flame" data-santa-flame="{payload}">'
            f"<p>{html_text(self.reading())}</p>"
            f'<img alt="{html_text(self.caption)}" src="data:image/svg+xml;base64,{still}" width="100%"></div>'
            f"{note}</div>"
        )

    def still(self) -> str:
        """An SVG of the widest boxes, the root on top; names are text in it."""
        wide, high = 1000, 18
        values, earlier = [f.value for f in self.frames], [f.before for f in self.frames]
        total, before = max(1.0, sum(values)), max(1.0, sum(earlier))
        if self.seconds:
            pace = max(total / self.seconds[1], before / self.seconds[0])
            total, before = pace * self.seconds[1], pace * self.seconds[0]
        own = [f.value / total + f.before / before for f in self.frames]
        widths, above = list(own), [-1] * len(own)
        line: list[int] = []
        for at, frame in enumerate(self.frames):
            del line[frame.depth:]
            above[at] = line[-1] if line else -1
            line.append(at)
        for at in range(len(own) - 1, 0, -1):
            widths[above[at]] += widths[at]
        taken, lefts, rects, deepest = [0.0] * len(own), [0.0] * len(own), [], 0
        scale = wide / (widths[0] or 1)
        for at, frame in enumerate(self.frames):
            if at:
                lefts[at] = lefts[above[at]] + taken[above[at]]
                taken[above[at]] += widths[at]
            if widths[at] * scale < STILL_LEAST * wide:
                continue
            x, y, w = lefts[at] * scale, frame.depth * high, widths[at] * scale
            deepest = max(deepest, frame.depth)
            rects.append(f'<rect x="{x:.1f}" y="{y}" width="{max(0.5, w - 0.7):.1f}" height="{high - 1}" rx="1" '
                         f'fill="{_STILL_COLOURS.get(frame.kind, "#cdd3da")}"/>')
            if w > 40:
                rects.append(f'<text x="{x + 4:.1f}" y="{y + 12.5}">{html_text(shorten(frame.name, int(w / 6.7)))}'
                             "</text>")
        height = (deepest + 1) * high
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" width="{wide}" height="{height}" '
            f'font-family="monospace" font-size="11" fill="#1f2933">{"".join(rects)}</svg>'
        )

    def markdown(self) -> str:
        """What can be said of it where nothing is drawn; with text() and script(), it can stand among Words."""
        return markdown_text(self.text())

    def text(self) -> str:
        """For a terminal."""
        return visible(" ".join(filter(None, [f"[chart: {self.caption}]", self.lead, self.note])))

    def script(self) -> str:
        """What a notebook needs after it."""
        return flame_script()

    __repr__ = text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/html": notebook_style() + self.html() + self.script(), "text/plain": self.text()}
