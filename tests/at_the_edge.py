"""Alarms moved to the very edge of a recording: one that what was recorded just raises, and one that it just does not.

In: a scenario and a recording. Out: scenarios without words. Where rows of the recording are lost, each row that
matters turns what is left to judge.
"""

from __future__ import annotations

from dataclasses import replace

from santabpf.recording import Recording
from santabpf.replay import Evaluator
from santabpf.scenarios import Scenario, Threshold
from santabpf.scenarios.model import Words
from santabpf.verdict import State

SILENT = Words((), (), {}, (), (), (), (), (), (), ())


def deciding(scenario: Scenario) -> Scenario:
    """All of it that decides: signals with an alarm and the limits of these, and no words."""
    names = {alarm.signal for alarm in scenario.alarms}
    names |= {limit for name in names if (limit := scenario.signal(name).at_most)}
    signals = tuple(signal for signal in scenario.signals if signal.name in names)
    return replace(scenario, signals=signals, evidence=(), words=SILENT, explains=())


def moved(scenario: Scenario, alarm: str, op: str, value: float) -> Scenario:
    """What decides, with this alarm only, raised at another value."""
    (found,) = (a for a in scenario.alarms if a.name == alarm)
    at = Threshold(op, value)  # type: ignore[arg-type]
    return replace(deciding(scenario), alarms=(replace(found, warn=at, crit=None, clear=None),))


def edges(scenario: Scenario, recording: Recording) -> list[tuple[Scenario, State]]:
    """For each of its alarms, the scenario with one that is just raised here, and with one that just is not."""
    worst: dict[str, float] = {}
    any_value = tuple(replace(a, warn=Threshold(">=", 0.0), crit=None, clear=None) for a in scenario.alarms)
    with Evaluator(recording, [replace(deciding(scenario), alarms=any_value)]) as evaluator:
        evaluator.advance()
        for track in evaluator.tracks or ():
            for series in (*track.series.values(), *track.idle.values()):
                for machine in series.machines:
                    assert machine.alarm.rises
                    if machine.extreme is not None:
                        value, name = machine.extreme[0], machine.alarm.name
                        worst[name] = max(value, worst.get(name, value))
    raised: list[tuple[Scenario, State]] = [(moved(scenario, n, ">=", value), "fired") for n, value in worst.items()]
    return raised + [(moved(scenario, a.name, ">", worst.get(a.name, 0.0)), "quiet") for a in scenario.alarms]
