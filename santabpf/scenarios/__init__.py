"""Scenarios: kinds of trouble that can be told from a recording. One folder each, found by existing.

    scenarios/<name>/scenario.yaml   what to record, signals, alarms, evidence, and the words of the verdict
    scenarios/<name>/README.md       a dated case study

    model.py     what a scenario says, as frozen values     load.py     scenario.yaml, read strictly
    template.py  its words: Jinja2 that can only fill in    lineage.py  SQL: who started whom, upwards

In: those folders. Out: Scenario values. Never: a recording, DuckDB, a node. The format is told in docs/scenarios.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .. import places
from ..errors import BadScenario, BadUsage, nearest
from ..places import Origin
from .load import FILE, load_scenario, stand_in
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
    "Origin",
    "Param",
    "Query",
    "Scenario",
    "Sentence",
    "Signal",
    "Step",
    "Template",
    "Threshold",
    "all_scenarios",
    "broken_scenarios",
    "count",
    "get_scenario",
    "load_scenario",
    "scenario_to_judge",
    "visible",
]


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario that is found (see places.py), by name, but for those that can't be read."""
    return {name: scenario for name, scenario in _load_all().items() if not scenario.broken}


def broken_scenarios() -> dict[str, Scenario]:
    """What stands for each scenario that is found and can't be read: `broken` says why."""
    return {name: scenario for name, scenario in _load_all().items() if scenario.broken}


def _load_all() -> dict[str, Scenario]:
    key = places.key()
    return {name: _load_found(folder, key) for name, folder in places.found("scenarios").items()}


@cache
def _load_found(folder: Path, key: str) -> Scenario:
    """One alone: to read them all takes a second. key: of the places that were looked in, for the cache."""
    return _load(folder)


def _load(folder: Path) -> Scenario:
    try:
        return load_scenario(folder)
    except BadScenario as exc:
        return stand_in(folder, str(exc))


def scenario_to_judge(name: str) -> Scenario:
    """As get_scenario, but what stands for it where it is broken: that costs its own verdict and no other."""
    if "/" in name:
        if not (Path(name) / FILE).is_file():
            raise BadUsage(f"{name}: there is no {FILE} in this folder")
        return _load(Path(name))
    found = places.found("scenarios")
    if name not in found:
        raise BadUsage(f"there is no scenario {name!r}; {nearest(name, found)}")
    return _load_found(found[name], places.key())


def get_scenario(name: str) -> Scenario:
    """The scenario of that name; a path (with a slash) to a folder works too.

    Raises BadUsage with the nearest name, BadScenario where it is broken.
    """
    scenario = scenario_to_judge(name)
    if scenario.broken:
        raise BadScenario(scenario.broken)
    return scenario
