"""What decides in a gym, as digests: a run of another day counts as far as nothing of that has changed since.

In: the scenarios and the scripts in their folders. Out: name -> digest. Never: words, which decide nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from ..scenarios import Scenario, all_scenarios


@cache
def rules() -> dict[str, str]:
    """Of each scenario, what decides whether it fires: what it records, its parameters, signals and alarms."""
    return {name: _digest(_deciding(scenario)) for name, scenario in all_scenarios().items()}


@cache
def scripts() -> dict[str, str]:
    """Of each scenario, what provokes it and its look-alikes, with what these bring along."""
    return {
        name: _digest([(path.name, path.read_bytes()) for path in _drills(scenario.folder)])
        for name, scenario in all_scenarios().items()
    }


def _deciding(scenario: Scenario) -> object:
    views = {name: view.sql for name, view in scenario.views.items()}
    signals = [replace(signal, query=replace(signal.query, line=0)) for signal in scenario.signals]
    return scenario.needs, scenario.also, scenario.params, views, signals, scenario.alarms


def _drills(folder: Path) -> list[Path]:
    found = [folder / "reproduce.sh", *folder.glob("quiet/**/*")]
    return [path for path in sorted(found) if path.is_file() and path.suffix != ".pyc"]


def _digest(told: object) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:8]
