"""Panels: what an investigation shows of its view. Each file is one, and is found by being here.

A file has GROUP, PLACE (where it stands), TITLE, ABOUT (a sentence) and

    def parts(investigation) -> list[Part]

In: an Investigation. Out: display values, and what a click on them stands for. Never: a widget; an event that was not
aggregated by DuckDB first. A panel that has nothing to show says why, in a sentence.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import BadUsage, SantaError, nearest
from ..part import Part, sentence

if TYPE_CHECKING:
    from ..investigation import Investigation

#: The tabs, in their order, with what is asked in each.
GROUPS = {
    "verdicts": "What happened",
    "who": "Who",
    "files": "Files and errors",
    "network": "Network",
    "time": "Functions",
    "latency": "Latency",
}


@dataclass(frozen=True)
class Panel:
    """One panel: its name, the tab it stands in, its heading and a sentence about it, and how it is drawn."""

    name: str
    group: str
    place: int
    title: str
    about: str
    parts: Callable[[Investigation], list[Part]]


@cache
def all_panels() -> dict[str, Panel]:
    """Every panel by name, in the order of the tabs."""
    found = []
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f".{info.name}", __name__)
        found.append(Panel(info.name, module.GROUP, module.PLACE, module.TITLE, module.ABOUT, module.parts))
    found.sort(key=lambda panel: (["overview", *GROUPS].index(panel.group), panel.place))
    return {panel.name: panel for panel in found}


def draw(investigation: Investigation, name: str) -> list[Part]:
    """What a panel shows of the investigation's view; a sentence where it can't. Raises BadUsage for no panel."""
    panels = all_panels()
    if name not in panels:
        raise BadUsage(f"there is no panel {name!r}; {nearest(name, panels)}")
    try:
        return panels[name].parts(investigation)
    except SantaError as exc:
        return [sentence(str(exc))]
