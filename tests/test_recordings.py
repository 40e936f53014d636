"""The recordings that are committed: small, whole, judged as they must be, and silent about where they were made."""

from __future__ import annotations

import pwd
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import recordings_again
import synthetic_steal

import santabpf as sb
from santabpf.gym.variants import variants
from santabpf.recording import Recording, verify
from santabpf.scenarios import all_scenarios, get_scenario
from santabpf.scenarios.template import FILTERS
from santabpf.shipped import shipped
from santabpf.units import MIB
from santabpf.verdict import Step, Verdict

ROOM = shipped("recordings")
RECORDINGS = sorted(path.parent for path in ROOM.glob("*/recording.json"))
#: What a drill's command lines may name: programs of the distribution, devices, and the cell's own tmpfs.
INSIDE = re.compile(
    r"/(bin|usr/(s?bin|lib|include|libexec)|lib(64)?)(/|$)|/dev/(null|zero|urandom|fd/\d+|tcp/127\..*)$|/tmp/(drill|cc\w+\.)|/memfd$"
)
PATH = re.compile(r"(?<![\w.+/-])/[\w.+-][^\s'\",;:)]*")
GROUP = re.compile(r"santabpf-drill-\d+/[a-z][a-z0-9_]*")

each = pytest.mark.parametrize("folder", RECORDINGS, ids=lambda path: path.name)


def texts(recording: Recording) -> Iterator[tuple[str, str, str]]:
    """(table, column, text) of everything that is text, argument by argument."""
    for table in recording.tables:
        rows = recording[table].arrow()
        for name in rows.column_names:
            for value in set(map(str, rows[name].to_pylist())) if "list" not in str(rows[name].type) else ():
                if not re.fullmatch(r"-?\d+(\.\d+)?|None|True|False", value):
                    yield table, name, value
            if "list" in str(rows[name].type):
                for argument in {a for argv in rows[name].to_pylist() for a in argv or [] if isinstance(a, str)}:
                    yield table, name, argument


@cache
def verdicts(folder: Path) -> dict[str, Verdict]:
    """What every scenario says whose tables it has."""
    recording = sb.open(folder)
    fit = [name for name, s in all_scenarios().items() if set(s.tables) <= set(recording.tables)]
    return {verdict.scenario: verdict for verdict in sb.replay(recording, fit).verdicts}


def expected(folder: Path) -> str:
    return str(sb.open(folder).info["drill"]["expected"])


def is_synthetic(folder: Path) -> bool:
    return any(note.startswith("synthetic: ") for note in sb.open(folder).info["notes"])


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", [name for name, s in all_scenarios().items() if (s.folder / "reproduce.sh").is_file()])
def test_there_is_one_for_each_fault_and_for_each_look_alike(name: str) -> None:
    drills = [sb.open(folder).info["drill"] for folder in RECORDINGS]
    kept = {(drill["variant"], drill["expected"]) for drill in drills if drill["scenario"] == name}
    assert kept == {(v.name, v.expected) for v in variants(get_scenario(name).folder).values()}


def test_all_are_small() -> None:
    assert {folder.name: size(folder) for folder in RECORDINGS if size(folder) > MIB} == {}
    assert size(ROOM) <= 20 * MIB


def test_each_has_its_line_in_the_readme_with_the_verdict_that_it_gets() -> None:
    table = re.findall(r"^\| (\w+) \| .+ \| (fired|quiet) \|$", (ROOM / "README.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted((folder.name, expected(folder)) for folder in RECORDINGS)


@each
def test_each_is_whole(folder: Path) -> None:
    assert verify(folder) == []
    recording = sb.open(folder)
    assert recording.info["state"] == "complete"
    assert recording["loss"].rows == 0
    assert {path.name for path in folder.iterdir()} == {"recording.json", *recording.tables}


@each
def test_each_gets_the_verdict_that_it_must_and_fires_nothing_else(folder: Path) -> None:
    drill = sb.open(folder).info["drill"]
    states = {name: verdict.state for name, verdict in verdicts(folder).items()}
    assert states[drill["scenario"]] == drill["expected"]
    others = {name for name, state in states.items() if state == "fired"} - {drill["scenario"]}
    assert others <= set(drill["also"])


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_each_cause_that_a_scenario_looks_for_is_ruled_out_by_a_recording_or_said_to_be_possible(name: str) -> None:
    own = [folder for folder in RECORDINGS if sb.open(folder).info["drill"]["scenario"] == name]
    found = [verdicts(folder)[name] for folder in own]
    causes = get_scenario(name).words.ruled_out
    assert {cause.name for cause in causes} == {r.cause for verdict in found for r in verdict.ruled_out}
    for verdict in found:
        open_ones = [s for s in verdict.could_not_tell if s.evidence in {cause.evidence for cause in causes}]
        assert len(verdict.ruled_out) + len(open_ones) >= len(causes)


@each
def test_every_reason_to_trust_it_has_its_rows(folder: Path) -> None:
    for verdict in verdicts(folder).values():
        known = {evidence.name for evidence in verdict.evidence}
        assert verdict.confidence.reasons
        assert all({*reason.evidence} and {*reason.evidence} <= known for reason in verdict.confidence.reasons)


UNITS = ("duration", "bytes", "ratio", "count", "rate", "clock", "utc", "brief")


def filled_in(verdict: Verdict, step: Step) -> set[str]:
    """What stands in a step's text as a cell of its evidence would, in whatever unit, and in no step's own words."""
    steps = get_scenario(verdict.scenario).words.next_steps
    own = "\n".join(re.sub(r"\{[{%].*?[%}]\}", "\0", s.text.text) for s in steps)
    cells = {str(cell): cell for name in step.evidence for row in verdict.find(name).rows for cell in row}
    said = {*cells}
    for cell in cells.values():
        for unit in UNITS:
            with suppress(TypeError, ValueError, AttributeError):
                said.add(FILTERS[unit](cell))
    words = [re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)") for word in said if len(word) > 1]
    return {word.pattern for word in words if word.search(step.text) and not word.search(own)}


def test_a_step_without_a_value_of_its_evidence_is_seen() -> None:
    verdict = verdicts(ROOM / "fd_exhaustion")["fd_exhaustion"]
    step = verdict.next_steps[0]
    assert filled_in(verdict, step)
    assert not filled_in(verdict, replace(step, text="See the last 100 that it has open: ls -l /proc/self/fd | tail"))


@pytest.mark.parametrize("folder", [f for f in RECORDINGS if expected(f) == "fired"], ids=lambda path: path.name)
def test_each_fault_names_who_did_it_and_who_started_that_and_what_to_do_with_its_own_numbers(folder: Path) -> None:
    scenario = sb.open(folder).info["drill"]["scenario"]
    verdict = verdicts(folder)[scenario]
    assert verdict.culprit is not None
    facts = ("process", "command", "parent", "cgroup") if scenario != "cpu_steal" else ("text",)  # the host did it
    assert [fact for fact in facts if getattr(verdict.culprit, fact) in ("", "?", "not known")] == []
    for told in (*verdict.summary, *verdict.impact, *verdict.next_steps):
        assert not re.search(r"(?<![$\w])\?", told.text), told.text  # a value that is not known
    assert any(re.search(r"\d", sentence.text) for sentence in verdict.impact)
    assert [step.text for step in verdict.next_steps if not (step.check and filled_in(verdict, step))] == []


@each
def test_what_is_told_of_the_machine_is_its_class(folder: Path) -> None:
    info = sb.open(folder).info
    assert list(info["nodes"]) == ["node-1"]
    facts = info["nodes"]["node-1"]
    assert re.fullmatch(r"\d+\.\d+", facts["kernel"])
    assert set(facts["boot_id"]) == {"0", "-"}
    assert "hostname" not in facts
    assert re.fullmatch(rf"/sys/fs/cgroup/(unified/|memory/)?{GROUP.pattern}", info["scope"]["cgroup"])
    known = ("this kernel has no ", "synthetic: ")  # what a probe lacks there; what was not recorded but made
    assert all(any(word in note for word in known) for note in info["notes"])


@each
def test_every_row_of_a_process_belongs_to_the_drill(folder: Path) -> None:
    recording = sb.open(folder)
    group = "/" + "/".join(recording.info["scope"]["cgroup"].split("/")[-2:])
    told = set(recording.tables)
    for table in sorted({"exec", "exit", "processes"} & told):
        assert set(recording[table].df().cgroup) <= {group}, table
    if {"processes", "fork"} <= told:
        born = {int(i) for i in recording["processes"].df().tgid} | {int(i) for i in recording["fork"].df().tgid}
        for table in sorted({"exec", "exit", "processes", "process_cpu"} & told):
            assert {int(i) for i in recording[table].df().tgid} <= born, table


@each
def test_no_name_of_a_thread_comes_from_outside(folder: Path) -> None:
    found = list(texts(sb.open(folder)))
    ours = {text for table, column, text in found if column == "comm"} | {"santabpf-drill"}
    assert {text for _, column, text in found if column in ("pcomm", "prev_comm")} <= ours


@each
def test_no_path_leads_out_of_the_drill(folder: Path) -> None:
    within = {"cgroup", "limited_cgroup", "folder"}  # paths within a hierarchy or a file system: the drill's own
    paths = {path for _, column, text in texts(sb.open(folder)) if column not in within for path in PATH.findall(text)}
    assert {path for path in paths if not INSIDE.match(path)} == set()


@each
def test_neither_host_nor_users_of_this_machine_are_named(folder: Path) -> None:
    users = {user.pw_name for user in pwd.getpwall() if 1000 <= user.pw_uid < 60000}
    names = "|".join(re.escape(name) for name in {socket.gethostname(), socket.getfqdn(), *users} if name)
    word = re.compile(rf"(?<![\w.-])(?:{names})(?![\w-])")  # a part of jdk.internal.vm.ci is no host
    written = (folder / "recording.json").read_text()
    assert not word.search(written)
    assert not re.search(r"/(root|home|work|opt|srv|mnt)\b", written)
    assert [text for text in texts(sb.open(folder)) if word.search(text[2])] == []


@each
def test_what_is_synthetic_says_so_in_its_name_and_in_itself(folder: Path) -> None:
    assert is_synthetic(folder) == folder.name.endswith("_synthetic")


@pytest.mark.parametrize("name", synthetic_steal.MADE)
def test_a_synthetic_one_is_what_its_script_makes_of_a_real_one(name: str, tmp_path: Path) -> None:
    made, kept = synthetic_steal.make(name, tmp_path / name), sb.open(ROOM / name)
    assert made.info["drill"] == kept.info["drill"]
    assert made.info["notes"] == kept.info["notes"]
    assert made.tables == kept.tables
    for table in kept.tables:
        assert made[table].arrow().equals(kept[table].arrow()), table
    assert {folder.name for folder in RECORDINGS if is_synthetic(folder)} == set(synthetic_steal.MADE)


@pytest.mark.parametrize("right", [True, False])
def test_a_recording_is_made_anew_by_its_own_drill_with_its_probes_if_that_gives_the_verdict_it_must(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, right: bool
) -> None:
    folder = tmp_path / "event_loop_blocked"
    shutil.copytree(ROOM / folder.name, folder)
    asked: dict[str, Any] = {}

    def drill(scenario: str, variant: str, *, seconds: int, keep: Path, probes: list[str]) -> SimpleNamespace:
        asked.update(scenario=scenario, variant=variant, seconds=seconds, probes=set(probes))
        keep.mkdir()
        (keep / "made").touch()
        return SimpleNamespace(ok=right, to_text=lambda: "quiet, WRONG")

    monkeypatch.setattr(recordings_again, "drill", drill)
    if right:
        recordings_again.again(folder)
    else:
        with pytest.raises(SystemExit, match="event_loop_blocked stays as it was: quiet, WRONG"):
            recordings_again.again(folder)
    assert asked.pop("probes") > {"event_loop:min_busy_ns=100000000", "profile:hz=49", "syscalls", "opens", "faults"}
    assert asked == {"scenario": "event_loop_blocked", "variant": "asyncio-sleep", "seconds": 10}
    assert [path.name for path in folder.iterdir() if path.name in ("made", "recording.json")] == (
        ["made"] if right else ["recording.json"]
    )
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
