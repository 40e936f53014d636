"""Which scenarios are to be judged, as boxes to tick: each with its title, and what it is about when pointed at.

In: names. Out: ipywidgets, and the names of those that are ticked. Never: a scenario of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as w

from ..scenarios import all_scenarios, broken_scenarios
from .controls import WIDE, button, sentence
from .pane import Pane


class ScenarioPicker(w.VBox):  # type: ignore[misc]
    """A box for each scenario there is; none ticked means all."""

    def __init__(self, chosen: Sequence[str] = ()) -> None:
        named, broken, ticked = all_scenarios(), broken_scenarios(), set(chosen)
        self._problems = [scenario.broken for scenario in broken.values()]
        self._others = tuple(name for name in dict.fromkeys(chosen) if name not in named)
        self._problems += [f"There is no scenario {name}." for name in self._others if name not in broken]
        titles = sorted(named, key=lambda name: named[name].title)
        self._boxes = {
            name: w.Checkbox(name in ticked, description=named[name].title, tooltip=named[name].summary.strip(),
                             indent=False, layout={"width": "auto", "margin": "0 8px 0 0"})
            for name in titles
        }
        self._none = button("Untick all", self._untick, "Without a tick, all scenarios are judged")
        self._said = Pane(layout={"flex": "1 1 300px"})
        self._said.add_class("santa-said")
        grid = w.GridBox(list(self._boxes.values()), layout={
            "width": "auto", "grid_template_columns": "repeat(auto-fill, minmax(270px, 1fr))"})
        grid.add_class("santa-picker")
        super().__init__([grid, w.HBox([self._none, self._said], layout={"align_items": "center"})], layout=WIDE)
        for box in self._boxes.values():
            box.observe(lambda _: self._tell(), "value")
        self._tell()

    @property
    def value(self) -> tuple[str, ...]:
        """The names of those that are ticked, in the order of their titles; empty for all.

        Names that are no scenario's, or a broken one's, stay until all are unticked, so that whoever judges says so.
        """
        return (*self._others, *(name for name, box in self._boxes.items() if box.value))

    @property
    def disabled(self) -> bool:
        """Whether nothing can be ticked now."""
        return bool(self._none.disabled)

    @disabled.setter
    def disabled(self, value: bool) -> None:
        for widget in (self._none, *self._boxes.values()):
            widget.disabled = value

    def _untick(self) -> None:
        self._others, self._problems = (), []
        for box in self._boxes.values():
            box.value = False
        self._tell()

    def _tell(self) -> None:
        few, of = len(self.value), len(self._boxes)
        judged = f"{few} of {of} scenarios are judged." if few else f"All {of} scenarios are judged."
        self._said.draw(sentence(" ".join([*self._problems, *([] if self._others else [judged])])))
