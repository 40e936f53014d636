"""The gym's table: recall, false verdicts and delays are what the runs say; a miss stands there as a miss."""

from __future__ import annotations

import _thread
import json
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import santabpf as sb
from santabpf.cli import cli
from santabpf.errors import BadUsage, CannotProvoke
from santabpf.gym import gym, matrix
from santabpf.gym import rules as digests
from santabpf.gym.matrix import Accuracy, Run, State
from santabpf.gym.rules import rules, scripts
from santabpf.gym.run import QUIET_S, _Conductor, judge
from santabpf.gym.variants import Variant, variants
from santabpf.recording import Writer
from santabpf.scenarios import Scenario, all_scenarios, get_scenario
from santabpf.shipped import shipped
from santabpf.units import SECOND

NAMES = ("loop", "busy")
_STATES: tuple[State, ...] = ("fired", "quiet", "cannot_tell")
GOOD = Run("loop", "storm", "fired", ("busy",), {"loop": "fired", "busy": "fired"}, 1_500_000_000, 2.0)
CALM = Run("loop", "calm", "quiet", (), {"loop": "quiet", "busy": "quiet"}, None, 1.0)


def test_a_fault_that_is_found_and_a_calm_look_alike_are_right() -> None:
    told = Accuracy(NAMES, [GOOD, CALM])
    assert told.ok
    assert "| loop | 1 | 1 | 100 % | 0 | 100 % | 0 | 1.5 s | 1.5 s | 2.0 % |" in told.to_markdown()
    assert "| loop, storm (fired) | F | (F) |" in told.to_markdown()
    assert "| loop, calm (quiet) | · | · |" in told.to_markdown()
    assert "judged again" not in told.to_markdown()


@pytest.mark.parametrize(
    ("run", "row", "cell", "words"),
    [
        (GOOD._replace(states={"loop": "quiet"}, delay_ns=None), "| loop | 2 | 1 | 50 % | 0 | 100 % |", "F**–**",
         "- loop did not fire on its own storm: quiet"),
        (GOOD._replace(states={"loop": "cannot_tell"}, delay_ns=None), "| loop | 2 | 1 | 50 % | 0 | 100 % | 1 |",
         "F**–**",
         "- loop did not fire on its own storm: cannot_tell"),
        (CALM._replace(states={"loop": "fired", "busy": "quiet"}), "| loop | 1 | 1 | 100 % | 1 | 50 % |", "**F**",
         "- loop fired on loop, calm"),
        (CALM._replace(states={"loop": "quiet", "busy": "fired"}), "| busy | 0 | 0 |  | 1 | 0 % |", "**F**",
         "- busy fired on loop, calm"),
        (GOOD._replace(states={}, delay_ns=None, why="it broke"), "| loop | 2 | 1 | 50 % |", "F ",
         "- loop, storm: no verdict: it broke"),
        (GOOD._replace(delay_ns=None, is_early=True), "| loop | 2 | 1 | 50 % | 1 | 50 % |", "F**F**",
         "- loop fired on loop, storm, before it was provoked"),
        (CALM._replace(states={"loop": "cannot_tell", "busy": "quiet"}, why="2 s were not watched."),
         "| loop | 1 | 1 | 100 % | 0 | 100 % | 1 |", "| loop, calm (quiet) | ? |",
         "- loop could not tell of its own calm: 2 s were not watched."),
        (GOOD._replace(delay_ns=3_100_000_000), "| loop | 2 | 2 | 100 % |", "FF", "**3.1 s**"),
    ],
)  # fmt: skip
def test_what_was_wrong_is_counted_drawn_and_told(run: Run, row: str, cell: str, words: str) -> None:
    told = Accuracy(NAMES, [GOOD, run])
    text = told.to_markdown()
    assert row in text, text
    assert cell in text
    assert words in text
    assert told.ok is (run.delay_ns == 3_100_000_000)


def test_what_may_fire_too_and_stayed_quiet_has_a_sign_of_its_own() -> None:
    told = Accuracy(NAMES, [GOOD._replace(states={"loop": "fired", "busy": state}) for state in _STATES])
    assert "| loop, storm (fired) | FFF | (F)(·)? |" in told.to_markdown()
    unnamed = Accuracy(NAMES, [GOOD._replace(also=(), states={"loop": "fired", "busy": state}) for state in _STATES])
    assert "| loop, storm (fired) | FFF | **F**·? |" in unnamed.to_markdown()


def test_what_was_wrong_and_what_was_late_is_counted_in_one_line() -> None:
    late = GOOD._replace(variant="rain", delay_ns=3_100_000_000)
    missed = GOOD._replace(states={"loop": "quiet"}, delay_ns=None)
    false = CALM._replace(states={"loop": "fired", "busy": "fired"})
    runs = [GOOD, late, missed, false, GOOD._replace(states={}, delay_ns=None, why="it broke")]
    assert Accuracy(NAMES, runs).to_text() == (
        "drills: 5; without a verdict: 1; faults missed: 2 of 4; false alarms: 2; later than 3 s: 1, loop rain (3.1 s)"
    )
    assert Accuracy(NAMES, [GOOD]).to_text().endswith("; faults missed: 0 of 1; false alarms: 0; later than 3 s: 0")


def of_today(run: Run) -> Run:
    """Made by the scenarios and scripts as they are now."""
    return run._replace(rules=dict(rules()), script=scripts()[run.scenario])


def test_the_command_prints_what_it_would_write(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs.jsonl", tmp_path / "accuracy.md"
    known = variants(get_scenario("oom_kill").folder).values()
    states: dict[str, dict[str, State]] = {"fired": {"oom_kill": "fired"}, "quiet": {"oom_kill": "quiet"}}
    made = [of_today(Run("oom_kill", v.name, v.expected, v.also, states[v.expected], None, 1.0)) for v in known]
    made[0] = made[0]._replace(delay_ns=3_100_000_000)
    runs.write_text("".join(json.dumps(run._asdict()) + "\n" for run in made), encoding="utf-8")
    args = ["gym", "oom_kill", "-n", "1", "--runs", str(runs)]
    printed = CliRunner().invoke(cli, args)
    assert printed.exit_code == 0, printed.output
    last = "later than 3 s: 1, oom_kill leak (3.1 s)\n"
    assert printed.stdout.endswith(last)
    written = CliRunner().invoke(cli, [*args, "-o", str(out)])
    assert written.stdout.count("\n") == 1
    assert written.stdout.endswith(last)
    assert out.read_text(encoding="utf-8").rstrip() in printed.stdout
    assert "| oom_kill, leak (fired) |" in printed.stdout
    told = CliRunner().invoke(cli, [*args, "--json"])
    assert json.loads(told.stdout)["ok"] is True
    assert told.stderr.endswith(last)


def test_a_drill_that_breaks_is_counted_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise CannotProvoke("drill short_lived_jobs: wrk is not installed here")

    monkeypatch.setattr(matrix, "drill", broken)
    said: list[str] = []
    told = gym(["short_lived_jobs"], times=2, say=said.append)
    planned = variants(get_scenario("short_lived_jobs").folder)
    assert len(told.runs) == len(said) == 2 * len(planned)
    assert all("NO VERDICT" in line for line in said)
    assert not told.ok


@pytest.mark.bpf
def test_a_live_drill_is_judged_by_every_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = get_scenario("slow_dns").folder
    one = Variant("slow", folder / "reproduce.sh", ("slow",), "fired", tuple(all_scenarios()))
    monkeypatch.setattr(matrix, "variants", lambda folder: {"slow": one})
    (run,) = gym(["slow_dns"], seconds=7).runs
    assert run.why == ""
    assert set(run.states) == set(all_scenarios())
    assert run.states["slow_dns"] == "fired"
    assert run.delay_ns is not None
    assert run.core_percent is not None
    assert run.core_percent > 0


def test_what_was_kept_is_judged_again_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def fake(name: str, variant: str, *, keep: object, **options: object) -> None:
        made.append(keep)
        raise CannotProvoke("not here")

    monkeypatch.setattr(matrix, "drill", fake)
    shutil.copytree(Path(__file__).parents[2] / "recordings" / "oom_kill", tmp_path / "oom_kill-leak-1")
    told = gym(["oom_kill"], times=2, keep=tmp_path, alone=True, node="web-1")
    names = list(variants(get_scenario("oom_kill").folder))
    assert made == [tmp_path / f"oom_kill-{name}-{turn}" for turn in (1, 2) for name in names][1:]
    (run,) = [run for run in told.runs if run.states]
    assert (run.variant, run.states) == ("leak", {"oom_kill": "fired"})
    assert run.delay_ns is not None
    assert run.core_percent is not None
    assert re.fullmatch(r"the node web-1, \d+ CPUs, Linux \d+\.\d+", run.machine)
    text = told.to_markdown()
    assert "- recorded before, and judged again by the scenarios as they are now: 1\n" in text
    assert "is recorded with what its own scenario\nneeds, and is judged by that." in text
    assert "the control group of its own cell is recorded, and not what else ran on the node" in text
    assert f"| {run.core_percent:.1f} % |" in text


@pytest.mark.bpf
def test_a_drill_that_is_stopped_by_hand_is_no_run_and_ends_the_gym(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, stopped = _Conductor.look, []

    def stop(self: _Conductor, writer: Writer, closed_ns: int) -> None:
        look(self, writer, closed_ns)
        if not stopped:
            stopped.append(closed_ns)
            _thread.interrupt_main()

    monkeypatch.setattr(_Conductor, "look", stop)
    file = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        gym(["oom_kill"], alone=True, runs=file)
    assert stopped
    assert not file.exists() or file.read_text(encoding="utf-8") == ""


def test_runs_of_other_days_count_and_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def fake(name: str, variant: str, **options: object) -> None:
        made.append(variant)
        if len(made) == 4:
            raise KeyboardInterrupt
        raise CannotProvoke("not here")

    monkeypatch.setattr(matrix, "drill", fake)
    file = tmp_path / "runs.jsonl"
    states: dict[str, State] = {"oom_kill": "fired", "cpu_usage": "quiet"}
    earlier = of_today(Run("oom_kill", "leak", "fired", (), states, 10**9, 1.5, "", "a VM", "2026-11-02"))
    assert earlier.rules is not None
    older = [
        earlier._replace(rules={**earlier.rules, "oom_kill": "changed"}),
        earlier._replace(script="changed"),
        earlier._replace(rules=None),
    ]
    moved = earlier._replace(rules={**earlier.rules, "cpu_usage": "changed"})
    told_before = [*older, moved]
    file.write_text("".join(json.dumps(run._asdict()) + "\n" for run in told_before), encoding="utf-8")
    names = list(variants(get_scenario("oom_kill").folder))
    with pytest.raises(KeyboardInterrupt):
        gym(["oom_kill"], times=2, runs=file)
    told = gym(["oom_kill"], times=2, runs=file)
    assert len(names) == 4
    assert made == [*names[1:], *names[:1], *names]  # stopped in the one before the last turn; goes on with that
    assert len(told.runs) == 8 == len(file.read_text(encoding="utf-8").splitlines()) - len(older)
    assert told.runs[0] == moved._replace(states={"oom_kill": "fired"})  # another said something then, by other rules
    assert all((run.rules, run.script) == (rules(), scripts()["oom_kill"]) for run in told.runs[1:])
    text = told.to_markdown()
    assert "- 1 on 2026-11-02: a VM\n- 7 on " in text
    assert "- left out, as the drill or its scenario has changed since: 3\n" in text
    assert "- oom_kill, leak: no verdict: not here\n" in text


def test_what_decides_whether_a_scenario_fires_has_a_digest_and_its_words_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def digest(scenario: Scenario) -> str:
        monkeypatch.setattr(digests, "all_scenarios", lambda: {scenario.name: scenario})
        rules.cache_clear()
        return rules()[scenario.name]

    now = get_scenario("oom_kill")
    (alarm, *others), (param, *params) = now.alarms, now.params
    moved = [replace(signal, query=replace(signal.query, line=signal.query.line + 9)) for signal in now.signals]
    assert digest(now) == digest(replace(now, title="Something else", signals=tuple(moved)))
    assert digest(now) != digest(replace(now, alarms=(replace(alarm, for_s=alarm.for_s + 1), *others)))
    assert digest(now) != digest(replace(now, params=(replace(param, value=param.value + 1), *params)))
    rules.cache_clear()


def test_what_provokes_a_scenario_has_a_digest_with_all_that_it_brings_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = get_scenario("slow_dns")
    shutil.copytree(now.folder, tmp_path / "slow_dns")
    monkeypatch.setattr(digests, "all_scenarios", lambda: {"slow_dns": replace(now, folder=tmp_path / "slow_dns")})
    before = scripts()["slow_dns"]
    for changed in ("README.md", "reproduce.sh", "quiet/names.py"):
        scripts.cache_clear()
        with (tmp_path / "slow_dns" / changed).open("a") as file:
            file.write("\n")
        now_is = scripts()["slow_dns"]
        assert (now_is == before) is (changed == "README.md"), changed
        before = now_is
    scripts.cache_clear()


@pytest.mark.parametrize("line", ["[]", "not JSON", '{"scenario": "oom_kill"}', '{"also": 5}', "\xff"])
def test_a_file_of_anything_but_runs_is_refused(line: str, tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_bytes(line.encode("latin-1"))
    with pytest.raises(BadUsage, match="holds something else than runs of a gym"):
        gym(["oom_kill"], runs=file)


@pytest.mark.parametrize(("alone", "others"), [(True, ()), (False, tuple(all_scenarios()))])
def test_a_drill_is_judged_by_all_or_alone_and_on_the_node_that_was_named(
    alone: bool, others: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, object, object]] = []

    def fake(name: str, variant: str, *, judged: object, node: object, **options: object) -> None:
        asked.append((node, judged, options.get("accept_new")))
        raise CannotProvoke("not here")

    monkeypatch.setattr(matrix, "drill", fake)
    told = gym(["cpu_usage"], node="web-1", alone=alone, accept_new=True)
    assert set(asked) == {("web-1", others, True)}
    assert {run.machine for run in told.runs} == {"the node web-1"}


def test_an_alarm_before_the_fault_is_none_of_its_and_no_success(tmp_path: Path) -> None:
    folder = tmp_path / "early"
    shutil.copytree(shipped("recordings") / "cpu_saturation", folder)
    manifest = folder / "recording.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    raised = min(int(row.from_ns) for row in sb.replay(folder, ["cpu_saturation"]).alarms.itertuples())
    told["drill"]["onset_ns"] = raised + 1
    manifest.write_text(json.dumps(told), encoding="utf-8")
    result = judge(sb.open(folder))
    assert (result.verdict.state, result.expected, result.delay_ns, result.is_early) == ("fired", "fired", None, True)
    assert not result.ok
    assert "WRONG: its alarm came before it was provoked" in result.to_text()


def test_the_word_comes_at_any_moment_of_a_second_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        """Takes the place of a script and of a writer."""

        def __init__(self) -> None:
            self.over, self.went = threading.Event(), threading.Event()
            self.drills: list[dict[str, Any]] = []
            self.go = self.went.set

        def update(self, drill: dict[str, Any]) -> None:
            self.drills.append(dict(drill))

    waited = []
    timer = threading.Timer
    monkeypatch.setattr(threading, "Timer", lambda s, act: waited.append(s) or timer(0, act))
    variant = variants(get_scenario("oom_kill").folder)["leak"]
    for _ in range(20):
        told: Any = Told()
        conductor = _Conductor(told, "oom_kill", variant)
        conductor.look(told, 9 * SECOND)
        assert not told.went.is_set()
        conductor.look(told, (9 + QUIET_S) * SECOND)
        assert told.went.wait(60)
        conductor._word.join()
        conductor.look(told, (10 + QUIET_S) * SECOND)
        conductor.look(told, (11 + QUIET_S) * SECOND)
        (drill,) = told.drills
        assert drill["onset_ns"] > 0
    assert all(0 <= s < 1 for s in waited)
    assert max(waited) - min(waited) > 0.2


def test_the_delay_is_that_of_the_first_alarm_though_a_worse_one_decides() -> None:
    recording = sb.open(shipped("recordings") / "ssh_brute_force_success")
    result = judge(recording)
    seen, began = result.verdict.detected, recording.info["drill"]["onset_ns"]
    assert seen is not None
    assert seen.raised_ns is not None
    first = min(int(row.from_ns) for row in sb.replay(recording, ["ssh_brute_force"]).alarms.itertuples())
    assert result.delay_ns == first - began < seen.raised_ns - began
