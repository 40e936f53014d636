"""Buttons and headings that all of the workbench shares. In: texts of our own. Out: ipywidgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import ipywidgets as w

from ..display import Note, Words
from ..display.escape import html_text

#: As wide as the cell, and no wider: its box stretches it.
WIDE = {"width": "auto"}


def heading(title: str, about: str = "") -> w.HTML:
    """A heading with a sentence below it."""
    return w.HTML(heading_html(title, about))


def heading_html(title: str, about: str = "") -> str:
    """What stands in it; both are shown as text."""
    below = f"<div style='color:#5f6b7a;font-size:13px'>{html_text(about)}</div>" if about else ""
    return (f"<h3 style='margin:14px 0 2px'>{html_text(title)}</h3>" if title else "") + below


def sentence(text: str) -> Words:
    """A sentence, as text; nothing where there is none."""
    return Words(Note(text)) if text else Words()


def button(
    text: str, act: Callable[[], Any], tip: str, *, disabled: bool = False,
    style: Literal["", "primary", "success", "info"] = "",
) -> w.Button:
    """A button that calls act(); its text is shown as text."""
    made = w.Button(description=text, tooltip=tip, disabled=disabled, button_style=style, layout={"width": "auto"})
    made.on_click(lambda _: act())
    return made
