"""Lights and lines, and the panels of the player and of a live node without a browser: hostile names, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import busy_node
import pytest
from shown import check_names_are_text
from synthetic import HOSTILE, nothing_happened

import santabpf as sb
from santabpf.check import CheckResult, Finding
from santabpf.probes import all_probes
from santabpf.replay import AlarmEvent, Evaluator
from santabpf.scenarios import all_scenarios
from santabpf.workbench import Filter
from santabpf.workbench.board import LINES, Board, Watched, lights
from santabpf.workbench.live_panel import LivePanel
from santabpf.workbench.live_session import LiveSession
from santabpf.workbench.meter import Meter
from santabpf.workbench.pane import Pane
from santabpf.workbench.player import Player
from santabpf.workbench.player_panel import PlayerPanel
from santabpf.workbench.scenario_picker import ScenarioPicker

AT = 1_800_000_000_000_000_000


def event(label: str, at: int = 0, state: str = "warn", kind: str = "raised") -> AlarmEvent:
    return AlarmEvent("s", "a", f"Title of {label}", label, label, kind, state, AT + at, label)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*HOSTILE, "<script>alert(1)</script>", "\x1b[31m\u202e'\"><img onerror=alert(1)>"])
def test_names_from_a_node_are_shown_as_text(name: str) -> None:
    html = Board(lights([Watched("s", name, name)], [event(name)]), [event(name)]).html()
    for harm in ("<script", "<img", "\x1b", "\u202e", "<a "):
        assert harm not in html


def test_a_light_is_the_worst_alarm_that_is_on_and_says_since_when() -> None:
    said = [event("x"), event("y", 1), event("x", 2, "crit", "worse"), event("y", 3, "clear", "cleared")]
    (light,) = lights([Watched("s", "S", "x")], [e for e in said if e.node == "x"])
    assert (light.state, light.since_ns, light.said) == ("crit", AT, "x: x")
    assert lights([Watched("s", "S", "y")], said)[0].state == "clear"


def test_many_lines_are_cut_and_none_is_said() -> None:
    assert "No alarm has changed its state yet." in Board(None, []).html()
    html = Board(None, [event(f"label-{at}") for at in range(LINES + 3)]).html()
    assert html.count("<li") == LINES
    assert "3 earlier ones are not shown." in html
    assert html.index(f"label-{LINES + 2}") < html.index(f"label-{LINES + 1}")


def newer(folder: Path) -> Path:
    folder.mkdir()
    (folder / "recording.json").write_text(json.dumps({"format": 99}))
    return folder


def test_a_recording_that_can_not_be_played_is_a_sentence(tmp_path: Path) -> None:
    for what, said in ((tmp_path / "none", "there is no such recording"), (newer(tmp_path / "newer"), "format 99")):
        pane = sb.play(what)
        assert isinstance(pane, Pane)
        assert said in pane.message


@pytest.mark.parametrize(("probes", "seconds", "said"), [
    ((), 0, "nothing was recorded in it, so there is nothing to judge"),
    (tuple(all_probes()), 0, "no second of this recording could be judged, so there is nothing to play"),
    (("page_cache",), 9, "no scenario could be judged in any second, so there is nothing to play. The recording"),
], ids=["no table", "every table, no second", "no signal"])  # fmt: skip
def test_a_recording_with_nothing_to_play_is_a_sentence(
    probes: tuple[str, ...], seconds: int, said: str, tmp_path: Path
) -> None:
    pane = sb.play(nothing_happened(tmp_path / "r", probes, seconds))
    assert isinstance(pane, Pane)
    assert said in pane.message


def test_a_scenario_that_was_never_looked_at_is_not_clear() -> None:
    player = Player(sb.replay(sb.open("disk_full_quiet_fits"), ["disk_full", "slow_dns"]))
    player.seek(player.end_ns)
    shown = {light.watched.scenario: light for light in player.lights}
    assert shown["disk_full"].state == "clear"
    assert (shown["slow_dns"].state, shown["slow_dns"].since_ns) == ("cannot_tell", None)
    html = Board(player.lights, None).html()
    assert "<b>cannot tell</b><span>" in html
    assert "<small>The recording has no dns table, without which" in html


def test_a_player_is_driven_by_calls_and_holds_the_whole_chart_from_the_start() -> None:
    panel = sb.play("crash_loop")
    assert isinstance(panel, PlayerPanel)
    chart = panel.children[2]
    figure, covered_from = chart.figure, chart.now
    panel.seek(panel.player.end_ns)
    assert chart.figure is figure
    assert chart.now - covered_from == 15_000
    assert "santa-crit" in panel.children[1].drawing
    panel.step(-15)
    assert "santa-crit" not in panel.children[1].drawing


def test_a_live_panel_says_what_is_wrong_with_what_was_asked_for(tmp_path: Path) -> None:
    panel = LivePanel(LiveSession("local", ["cpu_usage"], "<img src=x>", out=tmp_path / "r"))
    panel.start()
    assert "not a duration" in repr(panel.wait())
    assert "&lt;img src=x&gt;" in panel.children[1].children[-1].drawing
    panel.keep()
    assert "there is no recording to keep" in panel.children[1].children[-1].drawing
    assert "There is no recording yet" in repr(panel.verdicts())
    assert list(tmp_path.iterdir()) == []


def test_the_live_panel_investigates_in_place_of_how_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    session, meter = LiveSession("local", ["short_lived_jobs"], out=tmp_path / "x"), Meter([("short_lived_jobs", "S")])
    session.recording, session._meter = sb.open(busy_node.record(tmp_path / "r")), meter
    panel = LivePanel(session)
    assert panel._go_on.description == "Investigate"
    button = panel._go_on
    assert panel._running.layout.display == "flex"
    button.click()
    (bench,) = panel._below.children
    assert bench.investigation.recording.path == tmp_path / "r"
    assert bench._library.titles == (f"Recordings in {tmp_path.name}/: 1",)
    assert (panel._running.layout.display, button.description) == ("none", "Back to how it ran")
    button.click()
    assert panel._below.children == ()
    assert (bench.investigation, bench.comm) == (None, None)
    assert (panel._running.layout.display, button.description) == ("flex", "Investigate")


def test_what_is_kept_under_another_name_while_it_is_looked_into_is_looked_into_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    session = LiveSession("local", ["short_lived_jobs"], out=tmp_path / "there" / "x")
    session.recording = sb.open(busy_node.record(tmp_path / "there" / "r"))
    session._meter = Meter([("short_lived_jobs", "S")])
    panel = LivePanel(session)
    panel._go_on.click()
    shopping = Filter("command", "shop")
    panel._below.children[0].investigation.only(shopping)
    panel._name.value = "monday"
    panel._keep.click()
    (bench,) = panel._below.children
    assert bench.investigation.recording.path == tmp_path / "there" / "monday"
    assert bench.investigation.filters == (shopping,)
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"monday", "monday.investigation.json"}
    panel._discard.click()
    assert list((tmp_path / "there").iterdir()) == []


def test_scenarios_are_ticked_and_none_means_all() -> None:
    picker = ScenarioPicker(["cpu_usage"])
    assert picker.value == ("cpu_usage",)
    picker._boxes["slow_dns"].value = True
    assert picker.value == ("cpu_usage", "slow_dns")  # in the order of their titles
    assert f"2 of {len(all_scenarios())} scenarios are judged." in picker._said.drawing
    assert "disk" in picker._boxes["disk_full"].tooltip
    picker._none.click()
    assert picker.value == ()
    assert f"All {len(all_scenarios())} scenarios are judged." in picker._said.drawing


def test_a_scenario_that_is_none_is_said_and_not_taken_for_all(tmp_path: Path) -> None:
    panel = LivePanel(LiveSession("local", ["cpu_usag"], out=tmp_path / "r"))
    assert "There is no scenario cpu_usag." in panel._scenarios._said.drawing
    panel.start()
    assert "did you mean 'cpu_usage'" in repr(panel.wait())
    assert list(tmp_path.iterdir()) == []


def test_a_broken_scenario_of_ones_own_is_a_sentence_in_the_live_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "scenarios" / "mine" / "scenario.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("name: [")
    monkeypatch.setenv("SANTABPF_PATH", str(tmp_path))
    picker = ScenarioPicker(["mine"])
    assert picker.value == ("mine",)  # not all of them
    assert "scenario.yaml:2" in picker._said.drawing
    panel = LivePanel(LiveSession("local", ["cpu_usage"], out=tmp_path / "r"))
    assert panel._scenarios.value == ("cpu_usage",)
    assert "scenario.yaml:2" in panel._scenarios._said.drawing
    panel.session.scenarios = ("mine",)
    panel.session.check()
    assert "scenario.yaml:2" in repr(panel.wait())


def test_hostile_names_are_text_in_every_part_of_the_live_panel(tmp_path: Path) -> None:
    recording = sb.open(busy_node.record(tmp_path / "r", hostile=True))
    session, meter = LiveSession("local", ["short_lived_jobs"], out=tmp_path / "x"), Meter([("short_lived_jobs", "S")])
    result = sb.replay(recording, ["short_lived_jobs"])
    for at, name in enumerate([*HOSTILE, HOSTILE[0]]):  # a light tells of the first, lines of the newest
        meter.hear(replace(result.events[0], label=name, value=name, title=name, at_ns=result.events[0].at_ns + at))
    with Evaluator(recording, ["short_lived_jobs"]) as evaluator:
        evaluator.advance()
        meter.take(meter.read(evaluator))
    meter.conclude(result)
    session.checked = CheckResult(HOSTILE[0], tuple(Finding(name, "degraded", name, name) for name in HOSTILE))
    session.hindered, session.message, session._meter = tuple(HOSTILE), HOSTILE[0], meter
    panel = LivePanel(session)
    assert "crit" in panel._lights.drawing or "warn" in panel._lights.drawing
    check_names_are_text(panel, at_least=4)
