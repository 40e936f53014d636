"""Live is replay: in whatever pieces a recording is evaluated, the same comes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_node import START, S, World

from santabpf.recording import Recording
from santabpf.recording import open as open_recording
from santabpf.replay import AlarmEvent, Evaluator, replay
from santabpf.replay.signals import Chunk, read_signal
from santabpf.scenarios import all_scenarios
from santabpf.shipped import shipped


def restless(seconds: int = 26) -> World:
    """A bit of everything: a wild script with pauses, a build, living processes, seconds not watched, loss."""
    world = World(seconds)
    cron = world.lives("cron", tgid=400, parent=world.init)
    script = world.lives("wild.sh", tgid=900, parent=cron)
    for start in (2, 12, 21):
        for n in range(30):
            sub = world.run(script, None, start + n / 11, 90, 3)
            world.run(sub, ["/bin/sh", "-c", "true"], start + n / 11, 80, 40 + n)
    make = world.lives("make", tgid=700, parent=world.init)
    for n in range(60):
        shell = world.run(make, ["/bin/sh", "-c", f"cc {n % 9}.c"], 5 + n / 5, 70, 1, code=n % 2)
        world.run(shell, ["cc1", f"{n % 9}.c"], 5 + n / 5, 60, 50, code=n % 2)
    world.uses_cpu(script, 1, seconds, 130)
    world.is_blind(9, 10, "exit")
    world.partial = {0: 300_000_000, seconds - 1: 400_000_000}
    world.loses("exit", 13, 2)
    return world


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return restless().write(tmp_path_factory.mktemp("live") / "r")


@pytest.fixture(scope="module")
def whole(recording: Recording) -> tuple[list[str], str]:
    result = replay(recording)
    return [v.to_json() for v in result.verdicts], result.signals.to_csv() + result.alarms.to_csv()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 25), max_size=8))
def test_in_random_pieces_the_verdicts_are_the_same_byte_for_byte(
    recording: Recording, whole: tuple[list[str], str], cuts: set[int]
) -> None:
    with Evaluator(recording) as evaluator:
        for cut in sorted(cuts):
            evaluator.advance(START + cut * S)
        result = evaluator.finish()
    assert [v.to_json() for v in result.verdicts] == whole[0]
    assert result.signals.to_csv() + result.alarms.to_csv() == whole[1]


def of_scenario(name: str, made_up: Recording) -> list[Recording]:
    """The made-up recording where that has what it needs, and the bundled ones of what provokes it."""
    bundled = [open_recording(path.parent) for path in sorted(shipped("recordings").glob("*/recording.json"))]
    fits = set(all_scenarios()[name].tables) <= set(made_up.tables)
    drills = [(r, r.info["drill"]) for r in bundled]
    return ([made_up] if fits else []) + [r for r, d in drills if (d["scenario"], d["expected"]) == (name, "fired")]


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_each_signal_sees_its_lookback_and_nothing_else(name: str, recording: Recording) -> None:
    def plain(chunk: Chunk) -> dict[int, dict[str, dict[str, float | None]]]:
        return {
            second: {node: dict(labels) for node, labels in nodes.items()} for second, nodes in chunk.values.items()
        }

    scenario = all_scenarios()[name]
    speaks, spoke = {alarm.signal for alarm in scenario.alarms}, set()
    for recorded in of_scenario(name, recording):
        if spoke >= speaks:  # the next would only say the same again
            break
        start, end = (edge // S * S for edge in recorded.window)
        with Evaluator(recorded, [scenario]) as evaluator:
            for signal in scenario.signals:
                whole = plain(read_signal(evaluator.query, scenario, signal, start, end))
                single: dict[int, dict[str, dict[str, float | None]]] = {}
                for second in range(start, end, S):
                    single |= plain(read_signal(evaluator.query, scenario, signal, second, second + S))
                assert single == whole, (recorded.path.name, signal.name)
                spoke |= {signal.name} if whole else set()
    assert spoke >= speaks


def follow(
    world: World, path: Path, look: Callable[[Evaluator], list[AlarmEvent]]
) -> tuple[list[AlarmEvent], Recording, list[str]]:
    """Write a world second by second, as watch does, and look after each."""
    events: list[AlarmEvent] = []
    evaluator: Evaluator | None = None
    for grown in world.grow(path):
        evaluator = evaluator or Evaluator(open_recording(grown))
        events += look(evaluator)
    assert evaluator is not None
    with evaluator:
        events += evaluator.advance()
        verdicts = [v.to_json() for v in evaluator.judge().verdicts]
    return events, open_recording(path), verdicts


def test_a_recording_followed_while_it_is_written_gives_what_a_replay_gives(tmp_path: Path) -> None:
    events, recording, verdicts = follow(restless(), tmp_path / "r", Evaluator.advance)
    result = replay(recording)
    assert verdicts == [v.to_json() for v in result.verdicts]
    raised = [e for e in events if e.kind == "raised"]
    assert [e.at_ns for e in raised] == list(result.alarms.from_ns)
    assert [e.at_ns - S for e in events if e.kind == "cleared"] == list(result.alarms.to_ns.dropna())


def test_an_alarm_is_told_as_soon_as_its_second_is_closed(tmp_path: Path) -> None:
    told: list[tuple[int, AlarmEvent]] = []

    def look(evaluator: Evaluator) -> list[AlarmEvent]:
        events = evaluator.advance()
        told.extend((evaluator.next or 0, event) for event in events)
        return events

    world = World(18)
    for n in range(120):
        world.run(world.init, ["/bin/false"], 2 + n / 40, 40, 35, code=1)
    events, _, _ = follow(world, tmp_path / "r", look)
    assert all(event.at_ns == closed for closed, event in told)
    assert [e.kind for e in events] == ["raised", "worse", "eased", "cleared"]


def test_in_mid_recording_it_can_be_judged_with_what_is_known(tmp_path: Path) -> None:
    states: list[str] = []

    def look(evaluator: Evaluator) -> list[AlarmEvent]:
        events = evaluator.advance()
        if any(e.kind == "raised" for e in events):
            verdict = next(v for v in evaluator.judge().verdicts if v.scenario == "short_lived_jobs")
            states.append(verdict.state)
            assert verdict.culprit is not None
            assert verdict.culprit.starter.startswith("wild.sh")
        return events

    follow(restless(), tmp_path / "r", look)
    assert set(states) == {"fired"}


def test_an_event_says_what_when_and_where(tmp_path: Path) -> None:
    events, _, _ = follow(restless(), tmp_path / "r", Evaluator.advance)
    first = events[0]
    assert first.as_dict()["scenario"] == "short_lived_jobs"
    assert first.to_text().startswith("2027-01-15 08:00:0")
    assert "node-1 WARN  Short-lived jobs burn CPU" in first.to_text()
