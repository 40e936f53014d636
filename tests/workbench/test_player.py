"""A recording that is played shows at each moment what a replay of it, cut off there, gives."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest

import santabpf as sb
from santabpf.errors import BadUsage
from santabpf.recording import Recording, Writer
from santabpf.replay import Evaluator, Result, hand_over
from santabpf.units import SECOND
from santabpf.workbench.board import on_at, spans
from santabpf.workbench.player import Player

#: Alarms of these begin, grow and end, with labels and without, on short recordings and longer ones.
PLAYED = ("crash_loop", "tcp_loss_gone", "cpu_steal_synthetic", "quiet_idle")


def scenario_of(name: str) -> list[str]:
    drill = sb.open(name).info["drill"]
    return [drill["scenario"]] if drill["expected"] == "fired" else ["short_lived_jobs", "cpu_usage"]


@pytest.fixture(scope="module", params=PLAYED)
def played(request: pytest.FixtureRequest) -> tuple[Recording, list[str], Result]:
    recording = sb.open(request.param)
    names = scenario_of(request.param)
    return recording, names, sb.replay(recording, names)


def levels(evaluator: Evaluator) -> set[tuple[str, str, str, str]]:
    """Alarm, node, label and level of each alarm that is on, by the machines themselves."""
    return {
        (machine.alarm.name, node, label, machine.level)
        for track in evaluator.tracks or ()
        for (node, label), series in track.series.items()
        for machine in series.machines
        if machine.level != "clear"
    }


def cut(recording: Recording, end_ns: int, path: Path) -> Recording:
    """A copy that ends there: only rows of seconds before end_ns."""
    facts = {key: recording.info[key] for key in ("created_ns", "nodes", "probes", "scenarios", "scope")}
    with Writer(path, info=facts, tables=[t for t in recording.tables if not t.startswith("_")]) as writer:
        for name in recording.tables:
            for node in recording.nodes:
                rows = recording[name].arrow()
                last = rows["ts_ns"] if "span_ns" not in rows.schema.names else pc.subtract(rows["ts_ns"], 1)
                rows = rows.filter(pc.and_(pc.less(last, end_ns), pc.equal(rows["node"], node))).drop_columns("node")
                for batch in rows.combine_chunks().to_batches():
                    writer.append(node, name, batch)
    return sb.open(path)


def test_at_each_second_the_alarms_stand_as_in_a_replay_that_ended_there(
    played: tuple[Recording, list[str], Result],
) -> None:
    recording, names, result = played
    player, seen = Player(result), set()
    with Evaluator(recording, names) as evaluator:
        for at_ns in range(player.start_ns, player.end_ns + 1, SECOND):
            evaluator.advance(at_ns)
            player.seek(at_ns)
            assert {(e.alarm, e.node, e.label, e.state) for e, _ in on_at(player.events)} == levels(evaluator)
            assert list(player.events) == evaluator.events
            seen |= {light.state for light in player.lights}
    assert seen == ({"clear"} if result.exit_code == 0 else seen | {"clear"})
    assert (len(seen) > 1) == (result.exit_code == 3)


@pytest.mark.parametrize(("name", "seconds"), [("crash_loop", 9), ("tcp_loss_gone", 7)])
def test_a_recording_really_cut_off_there_says_the_same(name: str, seconds: int, tmp_path: Path) -> None:
    names = scenario_of(name)
    player = Player(sb.replay(sb.open(name), names))
    player.seek(player.start_ns + seconds * SECOND)
    short = sb.replay(cut(sb.open(name), player.at_ns, tmp_path / "cut"), names)
    assert short.events == player.events
    assert len(short.events) > 0


def test_a_result_that_was_handed_over_tells_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: tuple[Recording, list[str], Result]
) -> None:
    recording, names, result = played
    for key, value in hand_over(recording, names, result, tmp_path).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys.modules["santabpf.replay"], "Evaluator", None)  # so that nothing can be judged anew
    assert sb.replay(recording, names).events == result.events


@pytest.fixture(scope="module")
def result() -> Result:
    return sb.replay(sb.open("crash_loop"), ["crash_loop"])


def test_it_goes_on_with_the_time_that_passes_and_stops_at_the_end(result: Result) -> None:
    player = Player(result)
    player.tick(5)
    assert player.at_ns == player.start_ns
    player.play()
    player.speed = 0.5
    player.tick(3)
    assert player.at_ns == player.start_ns + 3 * SECOND // 2
    player.speed = 60
    player.tick(0.1)
    assert player.at_ns == player.start_ns + 15 * SECOND // 2
    player.tick(100)
    assert (player.at_ns, player.playing) == (player.end_ns, False)
    player.play()
    assert (player.at_ns, player.playing) == (player.start_ns, True)


def test_it_steps_from_edge_to_edge_and_never_leaves_the_recording(result: Result) -> None:
    player = Player(result)
    player.play()
    player.step(2)
    assert (player.at_ns, player.playing) == (player.start_ns + 2 * SECOND, False)
    player.seek(player.start_ns + SECOND * 5 // 2)
    player.step(-1)
    assert player.at_ns == player.start_ns + 2 * SECOND
    player.seek(player.start_ns + SECOND * 5 // 2)
    player.step(1)
    assert player.at_ns == player.start_ns + 3 * SECOND
    player.step(-1000)
    assert player.at_ns == player.start_ns
    player.seek(1 << 62)
    assert player.at_ns == player.end_ns


def test_scrubbing_back_undoes_what_was_told(result: Result) -> None:
    player = Player(result)
    player.seek(player.end_ns)
    at_the_end = player.events, player.lights
    assert [light.state for light in player.lights] == ["crit"]
    player.seek(player.start_ns)
    assert player.events == ()
    assert [light.state for light in player.lights] == ["clear"]
    player.seek(player.end_ns)
    assert (player.events, player.lights) == at_the_end


def test_spans_change_their_state_when_the_alarm_did(result: Result) -> None:
    warn, crit = result.events
    rows = spans(result.events).to_dict("records")
    assert [(r["state"], r["from_ns"]) for r in rows] == [("warn", warn.at_ns), ("crit", crit.at_ns)]
    assert rows[0]["to_ns"] == crit.at_ns
    assert spans([]).empty


@pytest.mark.parametrize("speed", [0, 0.4, 61, -1, float("nan")])
def test_a_speed_that_makes_no_sense_is_refused(result: Result, speed: float) -> None:
    with pytest.raises(BadUsage, match=r"played at 0\.5x to 60x"):
        Player(result).speed = speed


def test_a_recording_of_which_nothing_was_judged_can_not_be_played() -> None:
    with pytest.raises(BadUsage, match="nothing to play"):
        Player(Result((), (), ()))
