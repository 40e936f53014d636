"""The findings of an investigation as widgets: those there are, a box for the next, and the postmortem made of them.

In: an Investigation. Out: ipywidgets. Never: markup out of a note.
"""

from __future__ import annotations

import threading
from functools import partial

import ipywidgets as w

from ..display import Note, Words
from ..display.words import Paragraph
from ..errors import SantaError
from .controls import WIDE, button, heading, sentence
from .investigation import Investigation
from .pane import Pane


class FindingsBox(w.VBox):  # type: ignore[misc]
    """What was found so far, a box for the next, and the button that makes a postmortem of it."""

    def __init__(self, opened: Investigation) -> None:
        self._opened = opened
        self._note = w.Textarea(placeholder="What do you see in this window?",
                                layout={"width": "auto", "height": "64px"})
        self._author = w.Text(placeholder="Your name", layout={"width": "180px"})
        self._path = w.Text(f"{opened.recording.name}-postmortem.html", layout={"flex": "0 1 640px"})
        self._list, self._said = w.VBox(layout=WIDE), Pane(layout=WIDE)
        head = heading("Findings", "A finding keeps your note with the window and the filters that you look at. "
                                   "It is flagged in the overview, and still there when you come back.")
        buttons = w.HBox([self._author, button("Mark this view", self._mark, "Keep it with the note", style="primary")])
        make = w.HBox([self._path, button("Make this a postmortem", self._make,
                                           "One HTML file with this window, these filters and notes", style="success")])
        super().__init__([head, self._list, self._note, buttons, make, self._said], layout=WIDE)

    def show(self) -> None:
        """Show the findings."""
        rows: list[w.Widget] = []
        for number, finding in enumerate(self._opened.findings, 1):
            text = Pane(layout={"flex": "1 1 auto"})
            by = f" ({finding.author})" if finding.author else ""
            text.draw(Words(Paragraph(f"⚑ {number}. {finding.note}{by}"), Note(str(finding.view).replace("`", "'"))))
            show = button("Show", partial(self._opened.show, finding), "Look at what it was marked in")
            drop = button("Remove", partial(self._opened.forget, finding), "Take it away")
            rows.append(w.HBox([text, show, drop], layout=WIDE))
        old, self._list.children = self._list.children, rows
        for row in old:
            row.close()

    def _mark(self) -> None:
        try:
            self._opened.mark(self._note.value, self._author.value)
        except SantaError as exc:
            self._said.draw(sentence(str(exc)))
        else:
            self._note.value = ""
            self._said.draw(sentence(""))

    def _make(self) -> None:
        """In a thread of its own: it takes seconds, and needs an event loop that does not run yet."""
        self._said.draw(sentence("The postmortem is being written …"))
        threading.Thread(target=self._write, args=(self._path.value.strip() or None,), daemon=True).start()

    def _write(self, path: str | None) -> None:
        try:
            made = self._opened.postmortem(path)
        except SantaError as exc:
            self._said.draw(sentence(str(exc)))
        except Exception as exc:  # nobody would hear of it otherwise
            self._said.draw(sentence(f"The postmortem could not be written: {type(exc).__name__}: {exc}"))
        else:
            tail = f" A part of it failed: {made.error}" if made.error else ""
            self._said.draw(sentence(f"Written to {made.path}.{tail}"))
