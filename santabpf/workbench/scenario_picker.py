"""Which scenarios are to be judged, as boxes to tick: each with its title, and what it is about when pointed at.

In: names. Out: ipywidgets, and the names of those that are ticked. Never: a scenario of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import ipywidgets as w

from ..display.escape import visible
from ..errors import SantaError
from ..scenarios import all_scenarios
from .controls import WIDE, button


class ScenarioPicker(w.VBox):  # type: ignore[misc]
    """A box for each scenario there is; none ticked means all."""

    def __init__(self, chosen: Iterable[str] = ()) -> None:
        self._problem = ""
        try:
            named = all_scenarios()
        except SantaError as exc:  # one of one's own is broken
            named, self._problem = {}, str(exc)
        ticked = set(chosen)
        self._unknown = tuple(name for name in dict.fromkeys(chosen) if name not in named)
        titles = sorted(named, key=lambda name: named[name].title)
        self._boxes = {
            name: w.Checkbox(name in ticked, description=named[name].title, tooltip=named[name].summary.strip(),
                             indent=False, layout={"width": "auto", "margin": "0 8px 0 0"})
            for name in titles
        }
        self._none = button("Untick all", self._untick, "Without a tick, all scenarios are judged")
        self._said = w.Label()
        grid = w.GridBox(list(self._boxes.values()), layout={
            "width": "auto", "grid_template_columns": "repeat(auto-fill, minmax(270px, 1fr))"})
        super().__init__([grid, w.HBox([self._none, self._said])], layout=WIDE)
        for box in self._boxes.values():
            box.observe(lambda _: self._tell(), "value")
        self._tell()

    @property
    def value(self) -> tuple[str, ...]:
        """The names of those that are ticked, in the order of their titles; empty for all.

        Names that are no scenario's stay, so that whoever is told to judge them says so, until all are unticked.
        """
        return (*self._unknown, *(name for name, box in self._boxes.items() if box.value))

    @property
    def disabled(self) -> bool:
        """Whether nothing can be ticked now."""
        return bool(self._none.disabled)

    @disabled.setter
    def disabled(self, value: bool) -> None:
        for widget in (self._none, *self._boxes.values()):
            widget.disabled = value

    def _untick(self) -> None:
        self._unknown = ()
        for box in self._boxes.values():
            box.value = False
        self._tell()

    def _tell(self) -> None:
        few, of = sum(box.value for box in self._boxes.values()), len(self._boxes)
        if self._problem or self._unknown:
            self._said.value = visible(self._problem or f"There is no scenario {', '.join(self._unknown)}.")
            return
        self._said.value = f"{few} of {of} scenarios are judged." if few else f"All {of} scenarios are judged."
