"""Verdicts: values that say what happened and how we know; their JSON, digest, and how they look as text and Markdown.

    model.py  the values, JSON, digest      render.py  plain text and Markdown

In: what replay worked out. Out: JSON, text. Never: a recording, a query, HTML.
"""

from __future__ import annotations

from .model import (
    KEEP_ROWS,
    VERSION,
    Cell,
    Confidence,
    Culprit,
    Detected,
    Evidence,
    Inputs,
    Moment,
    RuledOut,
    Sentence,
    State,
    Step,
    Verdict,
    Window,
    check_digest,
)
from .render import format_cell, is_moment

__all__ = [
    "KEEP_ROWS",
    "VERSION",
    "Cell",
    "Confidence",
    "Culprit",
    "Detected",
    "Evidence",
    "Inputs",
    "Moment",
    "RuledOut",
    "Sentence",
    "State",
    "Step",
    "Verdict",
    "Window",
    "check_digest",
    "format_cell",
    "is_moment",
]
