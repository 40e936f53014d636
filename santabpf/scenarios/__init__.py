"""Scenarios: kinds of trouble that can be told from a recording. One folder each, found by existing.

    scenarios/<name>/scenario.yaml   what to record, signals, alarms, evidence, and the words of the verdict
    scenarios/<name>/README.md       a dated case study

    model.py     what a scenario says, as frozen values     load.py  scenario.yaml, read strictly
    template.py  its words: Jinja2 that can only fill in

In: those folders. Out: Scenario values. Never: a recording, DuckDB, a node. The format is told in docs/scenarios.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .. import places
from ..errors import BadUsage, nearest
from .load import FILE, load_scenario
from .model import (
    Alarm,
    Cause,
    Doubt,
    Evidence,
    Explains,
    Loss,
    Param,
    Query,
    Scenario,
    Sentence,
    Signal,
    Step,
    Threshold,
)
from .template import NoRow, Template, count, visible

__all__ = [
    "Alarm",
    "Cause",
    "Doubt",
    "Evidence",
    "Explains",
    "Loss",
    "NoRow",
    "Param",
    "Query",
    "Scenario",
    "Sentence",
    "Signal",
    "Step",
    "Template",
    "Threshold",
    "all_scenarios",
    "count",
    "get_scenario",
    "load_scenario",
    "visible",
]


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario that is found (see places.py), by name. Raises BadScenario where one is broken."""
    return _load_all(places.key())


@cache
def _load_all(key: str) -> dict[str, Scenario]:
    return {name: load_scenario(folder) for name, folder in places.found("scenarios").items()}


def get_scenario(name: str) -> Scenario:
    """The scenario of that name; a path (with a slash) to a folder works too. Raises BadUsage with the nearest name."""
    if "/" in name:
        if not (Path(name) / FILE).is_file():
            raise BadUsage(f"{name}: there is no {FILE} in this folder")
        return load_scenario(name)
    try:
        return all_scenarios()[name]
    except KeyError:
        raise BadUsage(f"there is no scenario {name!r}; {nearest(name, all_scenarios())}") from None
