"""What a live recording shows of itself: the same as a replay gives, in room that does not grow."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import START, S, World

from santabpf.recording import Recording
from santabpf.recording import open as open_recording
from santabpf.replay import Evaluator, replay
from santabpf.workbench.board import lights
from santabpf.workbench.history import LABELS, POINTS, History
from santabpf.workbench.meter import MOST_EVENTS, Meter
from santabpf.workbench.player import Player

SCENARIO = "short_lived_jobs"


def wild(seconds: int = 15) -> World:
    """A script that starts shells over and over, for a while."""
    world = World(seconds)
    script = world.lives("wild.sh", tgid=900, parent=world.init)
    for n in range(23 * 6):
        world.run(script, ["/bin/sh", "-c", "exit 3"], 2 + n / 23, 40, 35, code=3)
    world.loses("exit", 13, 2)
    return world


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Meter, Recording, list[set[str]]]:
    """A recording that grew by a second at a time, and the meter that looked at it, with the lights it showed."""
    world, path, shown = wild(), tmp_path_factory.mktemp("live") / "r", []
    meter = Meter([(SCENARIO, "Short-lived jobs")])
    evaluator: Evaluator | None = None
    for grown in world.grow(path):
        evaluator = evaluator or Evaluator(open_recording(grown), [SCENARIO])
        for event in evaluator.advance():
            meter.hear(event)
        if evaluator.tracks is not None:
            meter.take(meter.read(evaluator))
        shown.append({light.state for light in lights(meter.watched, meter.on)})
    assert evaluator is not None
    evaluator.close()
    recording = open_recording(path)
    meter.conclude(replay(recording, [SCENARIO]))
    return meter, recording, shown


def test_it_shows_the_alarms_and_verdicts_that_a_replay_gives(
    followed: tuple[Meter, Recording, list[set[str]]],
) -> None:
    meter, recording, shown = followed
    result = replay(recording, [SCENARIO])
    player = Player(result)
    player.seek(player.end_ns)
    assert tuple(meter.events) == player.events
    assert lights(meter.watched, meter.on)[0][1:] == player.lights[0][1:]
    assert {"crit"} in shown
    assert [v for v, _ in meter.verdicts] == list(result.verdicts)


def test_a_scenario_whose_table_is_not_there_is_not_clear(tmp_path: Path) -> None:
    recording, names = wild().write(tmp_path / "r"), [SCENARIO, "slow_dns"]
    meter = Meter([(name, name) for name in names])
    with Evaluator(recording, names) as evaluator:
        evaluator.advance()
        meter.take(meter.read(evaluator))
    meter.conclude(replay(recording, names))
    assert [light.state for light in lights(meter.watched, meter.on)] == ["clear", "cannot_tell"]


def test_its_signals_are_those_of_the_replay_as_far_as_it_has_seen(
    followed: tuple[Meter, Recording, list[set[str]]],
) -> None:
    meter, recording, _ = followed
    seen = meter.table().dropna().set_index(["signal", "second", "label"]).value
    replayed = replay(recording, [SCENARIO]).signals.dropna().set_index(["signal", "second", "label"]).value
    assert len(seen) > 10
    assert seen.to_dict() == replayed.loc[seen.index].to_dict()


def test_it_adds_up_what_was_lost_and_how_long_it_has_been(followed: tuple[Meter, Recording, list[set[str]]]) -> None:
    meter, _, _ = followed
    assert meter.lost == 2
    assert meter.elapsed_s(False) == pytest.approx(15, abs=1)


def test_ten_minutes_of_many_labels_take_bounded_room_and_keep_each_peak() -> None:
    history = History(START)
    for second in range(3600):
        values = {f"peer-{at}": float(at) for at in range(50)}
        history.add(("tcp_loss", "share", "web-1"), START + second * S, {**values, "worst": 1000.0 + (second == 1234)})
    table = history.table()
    assert history.points <= POINTS * LABELS
    assert set(table.label) == {"worst", *(f"peer-{at}" for at in range(45, 50))}
    assert history.step_s == 8
    peak = table.loc[table.value.idxmax()]
    assert (peak.label, peak.value) == ("worst", 1001.0)
    assert peak.second <= START + 1234 * S < peak.second + history.step_s * S


def test_seconds_of_which_nothing_is_known_stay_unknown() -> None:
    history = History(START, points=4)
    for second, value in enumerate([None, -3.0, None, None, 2.0, None]):
        history.add(("s", "falls", "n"), START + second * S, {"": value})
    assert history.table().value.isna().tolist() == [False, True, False]
    assert history.table().value.dropna().tolist() == [-3.0, 2.0]
    assert History(START).table().empty


def test_events_are_bounded_and_an_alarm_that_is_on_is_never_forgotten(tmp_path: Path) -> None:
    result = replay(wild().write(tmp_path / "r"), [SCENARIO])
    raised = next(event for event in result.events if event.kind == "raised")
    meter = Meter([(SCENARIO, "Short-lived jobs")])
    meter.hear(raised)
    for number in range(MOST_EVENTS):
        label = f"{number}"
        meter.hear(raised.__class__(**{**raised.as_dict(), "label": label}))
        meter.hear(raised.__class__(**{**raised.as_dict(), "label": label, "kind": "cleared", "state": "clear"}))
    assert len(meter.events) == MOST_EVENTS
    assert meter.on == [raised]
