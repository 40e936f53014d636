"""A scenario that is broken costs its own verdict, which says where and why, and no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from santabpf import places
from santabpf.errors import BadScenario
from santabpf.recording import Recording
from santabpf.replay import Evaluator, Limits, replay
from santabpf.scenarios import Scenario, all_scenarios, get_scenario, load_scenario, scenario_to_judge
from santabpf.verify import verify

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "tests" / "verdict" / "golden" / "short_loop" / "scenario.yaml").read_text()
#: Take 0.5 TB, in rows, or 8 GB in one of them.
GREEDY = {
    "rows": "SELECT sum(length(s)) AS jobs FROM "
    "(SELECT repeat(CAST(range AS VARCHAR), 100000) AS s FROM range(1000000) ORDER BY s) ORDER BY ALL",
    "list": "SELECT list(range) AS jobs FROM range(1000000000) ORDER BY ALL",
}
ENDLESS = "SELECT count(*) AS jobs FROM range(999999999999) a, range(1000) b ORDER BY ALL"

#: The SQL of its signal, and the beginning of that of its evidence.
SIGNAL = "SELECT second, node, count(*) AS value FROM exit GROUP BY second, node"
EVIDENCE = "FROM exit WHERE"

#: what is wrong -> what stands instead of what, what the verdict must say, and can it be loaded at all
CASES = {
    "no YAML": ("title:", "title: [", r"short_loop/scenario\.yaml:\d+: ", False),
    "unknown key": ("min_seconds:", "min_secs: 3\nmin_seconds:", r"min_secs: unknown key", False),
    "bad template": ("{{ commands[0].jobs", "{{ commands.append(1)", r"verdict.*call can't be used", False),
    "reaches out": ("{{ commands[0].jobs", "{{ commands.__class__", r"verdict.*can't be reached", False),
    "unknown table": ("AS value FROM exit", "AS value FROM exti", r"no table 'exti'; did you mean 'exit'", True),
    "unknown column": ("count(*) AS value", "max(cpu_nss) AS value", r"'cpu_nss'; did you mean 'cpu_ns'", True),
    "unknown column of evidence": ("sum(cpu_ns) AS B", "sum(cpu_nss) AS B", r"evidence\.commands.*mean 'cpu_ns'", True),
    "unknown value": ("{{ commands[0].jobs", "{{ commands[0].jbos", r"verdict.*did you mean 'jobs'\?", True),
    "reads a file": ("FROM exit GROUP", "FROM read_text('/etc/passwd') GROUP", r"signals\.\w+\.sql: ", True),
    "reads a file by its name": ("FROM exit GROUP", "FROM '/etc/passwd' GROUP", r"signals\.jobs\.sql: ", True),
    "evidence reads a file": (EVIDENCE, "FROM read_csv('/etc/passwd') WHERE", r"evidence\.commands\.sql: ", True),
    "bad syntax": ("AS value FROM exit", "AS value FORM exit", r"signals\.jobs\.sql: syntax error at or near", True),
    "bad syntax of evidence": (EVIDENCE, "FROM exit WERE", r"evidence\.commands\.sql: syntax error at or near", True),
    "attaches": (SIGNAL, "ATTACH '/tmp/other.db' AS other", r"signals\.jobs\.sql: .*ATTACH; only SELECT can be", True),
    "installs": (SIGNAL, "INSTALL httpfs", r"signals\.jobs\.sql: .*; only SELECT can be used here", True),
    "loads": (SIGNAL, "LOAD httpfs", r"signals\.jobs\.sql: .*LOAD; only SELECT can be used here", True),
    "copies": (SIGNAL, "COPY exit TO '/tmp/out.csv'", r"signals\.jobs\.sql: .*COPY; only SELECT can be used", True),
    "two statements": (SIGNAL, f"{SIGNAL}; COPY exit TO '/tmp/out.csv'", r"sql: .*2 statements; it must be one", True),
    "fails at run time": ("count(*) AS value", "CAST(min(comm) AS INT) AS value", r"signals.*Could not convert", True),
    "value is no number": ("count(*) AS value", "min(comm) AS value", r"gives as value a string, which is no", True),
    "a long value": ("SELECT comm", "SELECT comm || repeat('x', 9999999) AS comm", r"evidence.* the 4 MiB all", True),
    "long words": ("{{ comm", "{{ '%2000000000s' % 'x' }}{{ comm", r"verdict.*% takes whole numbers only", True),
}  # fmt: skip


def made(folder: Path, old: str, new: str) -> Path:
    assert old in GOOD
    path = folder / "scenarios" / "short_loop"
    path.mkdir(parents=True)
    (path / "scenario.yaml").write_text(GOOD.replace(old, new, 1))
    return path


@pytest.fixture
def other() -> str:
    return "short_lived_jobs"


@pytest.mark.parametrize("name", CASES)
def test_it_cannot_tell_with_file_line_and_reason_and_the_others_stand(
    name: str, recording: Recording, tmp_path: Path, other: str
) -> None:
    old, new, says, loads = CASES[name]
    path = made(tmp_path, old, new)
    alone = replay(recording, [other])
    result = replay(recording, [f"{path}/", other])
    broken, whole = result.verdicts
    assert (broken.scenario, broken.state) == ("short_loop", "cannot_tell")
    assert re.search(says, broken.summary[0].text), broken.summary[0].text
    assert re.search(r"short_loop/scenario\.yaml:\d+: ", broken.summary[0].text)
    assert str(tmp_path) not in broken.to_json()
    assert {e.name for e in broken.evidence} >= {*broken.summary[0].evidence} != set()
    assert whole == alone.verdicts[0]
    assert result.events == alone.events
    assert {row[0] for row in result.signal_rows} == {other}
    assert bool(scenario_to_judge(f"{path}/").broken) != loads


def asking(folder: Path, where: str, sql: str) -> Scenario:
    """The scenario with other SQL in its first signal or evidence."""
    scenario = load_scenario(made(folder, "title:", "title:"))
    if where == "signals":
        query = replace(scenario.signals[0].query, sql=sql)
        return replace(scenario, signals=(replace(scenario.signals[0], query=query), *scenario.signals[1:]))
    query = replace(scenario.evidence[0].query, sql=sql)
    return replace(scenario, evidence=(replace(scenario.evidence[0], query=query), *scenario.evidence[1:]))


@pytest.mark.parametrize("where", ["signals", "evidence"])
def test_a_query_that_never_ends_costs_its_own_verdict(
    where: str, recording: Recording, tmp_path: Path, other: str
) -> None:
    broken = asking(tmp_path, where, ENDLESS)
    first, second = replay(recording, [broken, other], limits=Limits(seconds=3)).verdicts
    assert (first.state, second.state) == ("cannot_tell", "fired")
    assert re.search(rf"scenario\.yaml:\d+: {where}\.\w+\.sql: the query took longer than 3 s", first.summary[0].text)


@pytest.mark.parametrize("where", ["signals", "evidence"])
@pytest.mark.parametrize("greed", GREEDY)
def test_a_query_that_eats_memory_costs_its_own_verdict(
    where: str, greed: str, recording: Recording, tmp_path: Path, other: str
) -> None:
    broken = asking(tmp_path, where, GREEDY[greed])
    first, second = replay(recording, [broken, other], limits=Limits(memory_bytes=1 << 30)).verdicts
    assert (first.state, second.state) == ("cannot_tell", "fired")
    assert re.search(rf"scenario\.yaml:\d+: {where}\.\w+\.sql: .* more memory than it may", first.summary[0].text)


@pytest.mark.parametrize("where", ["signals", "evidence"])
@pytest.mark.parametrize("sql", ["COPY (SELECT 1) TO '{}'", "ATTACH '{}' AS other", "EXPORT DATABASE '{}'"])
def test_a_statement_that_would_write_costs_its_own_verdict_and_writes_nothing(
    where: str, sql: str, recording: Recording, tmp_path: Path, other: str
) -> None:
    out = tmp_path / "out"
    first, second = replay(recording, [asking(tmp_path, where, sql.format(out)), other]).verdicts
    assert (first.state, second.state) == ("cannot_tell", "fired")
    assert re.search(rf"scenario\.yaml:\d+: {where}\.\w+\.sql: .*only SELECT can be used", first.summary[0].text)
    assert not out.exists()


def test_a_signal_of_more_rows_than_it_can_have_is_not_read(recording: Recording, tmp_path: Path, other: str) -> None:
    broken = asking(tmp_path, "signals", "SELECT range AS second, 'node-1' AS node, 1 AS value FROM range(120001)")
    first, second = replay(recording, [broken, other]).verdicts
    assert (first.state, second.state) == ("cannot_tell", "fired")
    assert re.search(r"scenario\.yaml:\d+: signals\.\w+\.sql: gives 120001 rows; 10000 labels", first.summary[0].text)


def test_while_it_is_watched_the_others_go_on_to_be_judged(recording: Recording, tmp_path: Path, other: str) -> None:
    path = made(tmp_path, "count(*) AS value", "max(lifetme_ns) AS value")
    told = []
    with Evaluator(recording, [load_scenario(path), other]) as evaluator:
        for second in range(*recording.window, 1_000_000_000):
            told += evaluator.advance(second)
        (verdict,) = evaluator.judge_one("short_loop")
        assert (verdict.state, verdict.detected) == ("cannot_tell", None)
        assert evaluator.finish().verdicts[1].state == "fired"
    assert {event.scenario for event in told} == {other}


def test_its_verdict_can_be_derived_again(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "title:", "title: [")
    monkeypatch.setenv(places.ENVIRONMENT, str(tmp_path))
    (verdict,) = replay(recording, ["short_loop"]).verdicts
    (tmp_path / "verdict.json").write_text(verdict.to_json())
    assert [checked.holds for checked in verify(tmp_path / "verdict.json", recording)] == [True]


def test_it_is_no_scenario_that_can_be_recorded_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "title:", "title: [")
    monkeypatch.setenv(places.ENVIRONMENT, str(tmp_path))
    assert "short_loop" not in all_scenarios()
    with pytest.raises(BadScenario, match=r"short_loop/scenario\.yaml:\d+: "):
        get_scenario("short_loop")


def test_a_broken_probe_costs_only_the_scenarios_that_need_it(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    made(tmp_path, "needs: [exit, fork]", "needs: [exit, fork, frost]")
    (tmp_path / "probes" / "frost").mkdir(parents=True)
    (tmp_path / "probes" / "frost" / "probe.yaml").write_text("name: frost\nsumary: x\n")
    monkeypatch.setenv(places.ENVIRONMENT, str(tmp_path))
    first, second = replay(recording, ["short_loop", other]).verdicts
    assert (first.state, second.state) == ("cannot_tell", "fired")
    assert "frost/probe.yaml:2: sumary: is unknown; did you mean 'summary'?" in first.summary[0].text


def santabpf(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "santabpf", *map(str, args)], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_command_line_tells_all_verdicts_and_exits_by_them(recording: Recording, tmp_path: Path) -> None:
    path = made(tmp_path, "title:", "title: [")
    quiet = santabpf("--path", tmp_path, "replay", ROOT / "recordings" / "quiet_idle", "--json")
    states = {v["scenario"]: v["state"] for v in json.loads(quiet.stdout)["verdicts"]}
    assert (quiet.returncode, states.pop("short_loop"), set(states.values())) == (4, "cannot_tell", {"quiet"})
    fired = santabpf("--path", tmp_path, "replay", recording.path)
    assert fired.returncode == 3
    assert re.search(r"^FIRED: .*^CANNOT TELL: short_loop .*short_loop/scenario\.yaml:\d+", fired.stdout, re.M | re.S)
    for done in (quiet, fired):
        assert f"santabpf: scenario short_loop can't be used: {path}/scenario.yaml:" in done.stderr
        assert "Traceback" not in done.stderr
