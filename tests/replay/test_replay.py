"""short_lived_jobs judged on made-up nodes: what fires, what is quiet, and what can't be told."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_up_node import PROBES, START, S, World

from santabpf.errors import RecordingError
from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording
from santabpf.replay import Evaluator, Result, replay
from santabpf.replay.query import Query
from santabpf.scenarios import all_scenarios, get_scenario, load_scenario
from santabpf.shipped import shipped
from santabpf.verdict import Verdict

SHELL = ["/bin/sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done"]


def judge(world: World, path: Path, **info: Any) -> Verdict:
    return only(replay(world.write(path / "r", **info), ["short_lived_jobs"]))


def only(result: Result) -> Verdict:
    (verdict,) = result.verdicts
    return verdict


def words(verdict: Verdict) -> str:
    return " ".join(s.text for s in (*verdict.summary, *verdict.could_not_tell)) + str(verdict.ruled_out)


def wild(world: World, first: float = 5, last: float = 15, per_second: int = 23, **changed: Any) -> World:
    """A script, older than the recording, starts shells over and over."""
    cron = world.lives("cron", tgid=400, parent=world.init, argv=["/usr/sbin/cron", "-f"])
    script = world.lives("wild.sh", tgid=900, parent=cron, argv=["/bin/sh", "/opt/wild.sh"])
    for n in range(round((last - first) * per_second)):
        world.run(script, SHELL, first + n / per_second, **({"life_ms": 30, "cpu_ms": 25} | changed))
    return world


def test_a_loop_of_small_shells_fires_and_names_who_what_and_how_much(tmp_path: Path) -> None:
    verdict = judge(wild(World(20)), tmp_path)
    assert verdict.state == "fired"
    assert verdict.culprit is not None
    assert verdict.culprit.starter == "wild.sh (pid 900): /bin/sh /opt/wild.sh"
    assert "started by cron (400), by systemd (1)" in verdict.culprit.text
    assert verdict.culprit.command == "/bin/sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done'"
    totals = verdict.find("totals")
    row = dict(zip(totals.columns, totals.rows[0], strict=True))
    assert (row["jobs"], row["cpu_ns"], row["commands"]) == (230, 230 * 25_000_000, 1)
    assert row["per_second_thousandths"] == pytest.approx(23000, rel=0.01)
    assert verdict.detected is not None
    assert verdict.detected.state == "crit"
    assert verdict.detected.raised_ns is not None
    assert verdict.detected.raised_ns - (START + 5 * S) <= 3 * S
    assert verdict.confidence.level == "high"


def test_the_folder_of_a_recording_will_do(tmp_path: Path) -> None:
    recording = wild(World(20)).write(tmp_path / "r")
    (opened,) = replay(recording, ["short_lived_jobs"]).verdicts
    (folder,) = replay(recording.path, ["short_lived_jobs"]).verdicts
    assert folder.digest == opened.digest


def test_a_pipe_of_two_jobs_every_three_seconds_fires(tmp_path: Path) -> None:
    world = World(24)
    script = world.lives("backup", tgid=900, parent=world.init)
    for turn in range(6):
        world.run(script, ["dd", "if=/dev/urandom", "bs=1M", "count=9"], 3 + 3 * turn, 900, 300)
        world.run(script, ["bzip2", "-9"], 3 + 3 * turn, 900, 700)
    verdict = judge(world, tmp_path)
    assert verdict.state == "fired"
    assert verdict.culprit is not None
    assert (verdict.culprit.process, verdict.culprit.command) == ("bzip2", "bzip2 -9")


def test_a_service_that_systemd_restarts_over_and_over_fires_and_init_is_named(tmp_path: Path) -> None:
    world = World(20)
    for n in range(40):
        world.run(
            world.init,
            ["/usr/bin/billing", "--config", "b.conf"],
            4 + n / 4,
            200,
            150,
            code=1,
            cgroup="system.slice/billing.service",
        )
    verdict = judge(world, tmp_path)
    assert verdict.state == "fired"
    assert verdict.culprit is not None
    assert verdict.culprit.starter.startswith("systemd (pid 1)")
    assert any("journalctl -u billing.service" in step.text for step in verdict.next_steps)
    assert any("40 of 40 jobs ended with an error" in s.text for s in verdict.impact)


def test_the_starter_is_the_nearest_that_stands_for_the_whole_and_not_each_of_its_scripts(tmp_path: Path) -> None:
    world = World(20)
    cron = world.lives("cron", tgid=400, parent=world.init)
    for turn in range(8):
        script = world.run(cron, ["/bin/sh", "/opt/rotate"], 3 + 1.5 * turn, 1400, 2)
        for n in range(10):
            sub = world.run(script, None, 3.1 + 1.5 * turn + n / 10, 60, 1)  # a subshell that runs no other program
            world.run(sub, ["gzip", "-9", f"log.{n}"], 3.1 + 1.5 * turn + n / 10, 55, 50)
    verdict = judge(world, tmp_path)
    assert verdict.state == "fired"
    assert verdict.culprit is not None
    assert verdict.culprit.starter.startswith("cron (pid 400)")
    assert any("What cron starts itself is /bin/sh /opt/rotate, 8 times" in s.text for s in verdict.summary)


def build(world: World, *, ok: bool = True, same: bool = False) -> World:
    """make starts cc over sh, cc starts cc1, on one file after the other."""
    make = world.lives("make", tgid=700, parent=world.init, argv=["make", "-j2"])
    for n in range(200):
        file, at, code = ("a" if same else f"part{n}"), 4 + n / 20, (0 if ok else 2)
        shell = world.run(make, ["/bin/sh", "-c", f"cc -c {file}.c"], at, 60, 1, code=code)
        cc = world.run(shell, ["cc", "-c", f"{file}.c"], at, 55, 2, code=code)
        world.run(cc, ["/usr/lib/cc1", f"{file}.c", "-o", f"/tmp/{'x' if same else n}.s"], at, 50, 45, code=code)
    return world


def test_a_build_with_the_very_same_signature_is_quiet_and_said_to_be_one(tmp_path: Path) -> None:
    verdict = judge(build(World(20)), tmp_path)
    assert verdict.state == "quiet"
    assert verdict.culprit is None
    assert "looks like a build: 600 distinct commands" in words(verdict)
    assert "600 of the jobs ended with 0" in words(verdict)
    (cause,) = [r for r in verdict.ruled_out if r.cause == "a build"]
    assert "make" in cause.text


def test_a_make_that_fails_over_and_over_is_no_build(tmp_path: Path) -> None:
    assert judge(build(World(20), ok=False), tmp_path).state == "fired"


def test_a_compiler_that_compiles_the_same_file_over_and_over_is_no_build(tmp_path: Path) -> None:
    assert judge(build(World(20), same=True), tmp_path).state == "fired"


def test_a_build_beside_a_wild_script_does_not_hide_it(tmp_path: Path) -> None:
    verdict = judge(wild(build(World(20))), tmp_path)
    assert verdict.state == "fired"
    totals = verdict.find("totals")
    assert totals.rows[0][totals.columns.index("jobs")] == 230


def test_long_lived_busy_processes_are_quiet(tmp_path: Path) -> None:
    world = World(20)
    for name in ("sha256sum", "md5sum"):
        world.uses_cpu(world.lives(name, parent=world.init), 2, 18, 950)
    verdict = judge(world, tmp_path)
    assert verdict.state == "quiet"
    assert "sha256sum" in words(verdict) or "md5sum" in words(verdict)


def test_an_idle_machine_is_quiet(tmp_path: Path) -> None:
    verdict = judge(World(20), tmp_path)
    assert verdict.state == "quiet"
    assert verdict.detected is not None
    assert verdict.detected.state == "clear"


def test_busy_services_with_some_cron_jobs_beside_them_are_quiet(tmp_path: Path) -> None:
    world = World(60)
    for name, cpu in (("redis-server", 900), ("apache2", 600)):
        world.uses_cpu(world.lives(name, parent=world.init), 0, 60, cpu)
    cron = world.lives("cron", tgid=400, parent=world.init)
    for n in range(12):
        shell = world.run(cron, ["/bin/sh", "-c", "logrotate"], 5 * n, 40, 2)
        world.run(shell, ["logrotate", "/etc/logrotate.conf"], 5 * n, 35, 20)
    world.run(cron, ["gzip", "big"], 30, 990, 980)
    assert judge(world, tmp_path).state == "quiet"


def test_one_big_short_job_is_no_loop(tmp_path: Path) -> None:
    world = World(20)
    for n in range(2):
        world.run(world.init, ["bzip2", "big"], 8 + n, 990, 980)
    assert judge(world, tmp_path).state == "quiet"


# ------------------------------------------------------------------------------------------------------- cannot tell


@pytest.mark.parametrize("probe", PROBES)
def test_without_one_of_its_tables_it_cannot_tell(probe: str, tmp_path: Path) -> None:
    world = wild(World(20, probes=tuple(p for p in PROBES if p != probe)))
    verdict = judge(world, tmp_path)
    assert verdict.state == "cannot_tell"
    assert f"no {probe} table" in words(verdict)
    assert any("santabpf record" in step.text for step in verdict.next_steps)


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_a_fault_without_one_of_the_tables_of_its_scenario_can_not_be_told(name: str, tmp_path: Path) -> None:
    told = {path.parent: json.loads(path.read_text()) for path in shipped("recordings").glob("*/recording.json")}
    drills = {folder: (said["drill"]["scenario"], said["drill"]["expected"]) for folder, said in told.items()}
    fault = min(folder for folder, drill in drills.items() if drill == (name, "fired"))
    folder = shutil.copytree(fault, tmp_path / name)
    assert all_scenarios()[name].tables
    for table in all_scenarios()[name].tables:
        rest = {other: listed for other, listed in told[fault]["tables"].items() if other != table}
        (folder / "recording.json").write_text(json.dumps(told[fault] | {"tables": rest}))
        verdict = only(replay(open_recording(folder), [name]))
        assert verdict.state == "cannot_tell"
        assert f"The recording has no {table} table" in verdict.summary[0].text


def test_where_a_probe_failed_it_cannot_tell_and_says_why(tmp_path: Path) -> None:
    world = wild(World(20))
    world.is_blind(0, 20, "exit")
    probes = world.info()["probes"] | {"exit": {"params": {}, "state": "failed", "why": "no such tracepoint"}}
    verdict = judge(world, tmp_path, probes=probes)
    assert verdict.state == "cannot_tell"
    assert "no such tracepoint" in words(verdict)


def test_too_short_a_recording_cannot_tell(tmp_path: Path) -> None:
    verdict = judge(World(7), tmp_path)
    assert verdict.state == "cannot_tell"
    assert "Only 7 of the recording's 7 seconds were watched whole, and 8 are needed" in words(verdict)


@pytest.mark.parametrize("name", ["privilege_escalation", "reverse_shell", "slow_fsync", "ssh_brute_force"])
def test_too_short_and_with_nothing_in_sight_there_is_no_cause_to_rule_out(name: str) -> None:
    bundled = (open_recording(path) for path in sorted(shipped("recordings").glob(f"{name}_quiet*")))
    with Evaluator(recording := next(bundled), [name]) as evaluator:
        evaluator.advance(recording.window[0] + 2 * S)
        verdict = only(evaluator.judge())
    assert (verdict.state, verdict.ruled_out) == ("cannot_tell", ())
    assert "seconds were watched whole" in words(verdict)


def test_a_short_recording_that_shows_it_fires_all_the_same(tmp_path: Path) -> None:
    assert judge(wild(World(7), 1, 6), tmp_path).state == "fired"


def test_partial_seconds_do_not_count_as_watched(tmp_path: Path) -> None:
    world = World(9)
    world.partial = {0: 300_000_000, 8: 500_000_000}
    verdict = judge(world, tmp_path)
    assert verdict.state == "cannot_tell"
    assert (verdict.window.seconds, verdict.window.watched) == (9, 7)


def test_what_was_not_watched_is_said(tmp_path: Path) -> None:
    world = wild(World(30))
    world.is_blind(20, 25)
    world.rows["gaps"].append(
        {
            "ts_ns": START + 20 * S,
            "end_ns": START + 25 * S,
            "table": None,
            "reason": "connection_lost",
            "detail": "reset by peer",
        }
    )
    verdict = judge(world, tmp_path)
    assert verdict.state == "fired"
    assert "Nothing is known about any table from 08:00:20.000 to 08:00:25.000: connection_lost" in words(verdict)
    assert "5 of 30 seconds were not watched whole" in words(verdict)
    assert verdict.confidence.level == "medium"
    assert "what was seen is enough to say that it happened" in verdict.confidence.reasons[0].text


def test_quiet_with_seconds_that_nobody_watched_does_not_claim_that_nothing_was_in_them(tmp_path: Path) -> None:
    world = World(30)
    world.is_blind(20, 25)
    verdict = judge(world, tmp_path)
    assert (verdict.state, verdict.confidence.level) == ("quiet", "medium")
    assert "what happened there is not known" in verdict.confidence.reasons[0].text


def test_less_than_half_watched_cannot_tell(tmp_path: Path) -> None:
    world = World(40)
    world.is_blind(5, 30)
    assert judge(world, tmp_path).state == "cannot_tell"


def test_without_the_number_of_cpus_a_share_of_them_cannot_be_told(tmp_path: Path) -> None:
    world = wild(World(20))
    facts = {key: value for key, value in world.info()["nodes"]["node-1"].items() if key != "cpus"}
    verdict = judge(world, tmp_path, nodes={"node-1": facts})
    assert verdict.state == "cannot_tell"
    assert "does not say how many CPUs node-1 has" in words(verdict)


def test_a_recording_without_a_second_cannot_tell(tmp_path: Path) -> None:
    world = World(5)
    world.is_blind(0, 5)
    assert judge(world, tmp_path).state == "cannot_tell"


def test_a_recording_that_claims_to_last_for_years_is_refused(tmp_path: Path) -> None:
    world = World(10)
    world.batches()
    world.rows["coverage"][-1]["ts_ns"] += 10 * 365 * 86400 * S
    with pytest.raises(RecordingError, match="that can't be one recording"):
        judge(world, tmp_path)


def test_each_node_has_a_verdict_of_its_own(tmp_path: Path) -> None:
    sick, well = wild(World(20)), World(20, node="node-2")
    info = sick.info()
    info["nodes"] |= well.info()["nodes"]
    with Writer(tmp_path / "r", info=info) as writer:
        for world in (sick, well):
            for table, rows in world.batches().items():
                writer.append(world.node, table, rows)
    result = replay(open_recording(tmp_path / "r"), ["short_lived_jobs"])
    assert {(v.node, v.state) for v in result.verdicts} == {("node-1", "fired"), ("node-2", "quiet")}
    assert set(result.alarms.node) == {"node-1"}


# --------------------------------------------------------------------------------------------------------------- loss


def test_lost_exits_that_could_have_been_the_loop_turn_quiet_into_cannot_tell(tmp_path: Path) -> None:
    world = World(20)
    world.busy.update(dict.fromkeys(range(20), 1900000000))
    world.loses("exit", 8, 400)
    verdict = judge(world, tmp_path)
    assert verdict.state == "cannot_tell"
    assert "400 rows of exit were lost, and they could have raised the alarm" in words(verdict)
    assert any(s.evidence == ("recording_loss",) for s in verdict.summary)


def test_lost_exits_on_a_node_that_had_no_cpu_to_spare_for_them_leave_it_quiet(tmp_path: Path) -> None:
    world = World(20)
    world.uses_cpu(world.lives("redis-server", parent=world.init), 0, 20, 950)  # all of what the node used
    world.loses("exit", 8, 1)
    verdict = judge(world, tmp_path)
    assert verdict.state == "quiet"
    assert "Rows of exit were lost: 1 because its ring was full" in words(verdict)
    assert verdict.confidence.level == "medium"


def test_lost_exits_can_only_add_so_what_fired_stands(tmp_path: Path) -> None:
    world = wild(World(20))
    world.loses("exit", 8, 400)
    verdict = judge(world, tmp_path)
    assert verdict.state == "fired"
    assert "Rows of exit were lost" in words(verdict)


def test_lost_execs_may_have_shown_a_build_so_what_fired_is_in_doubt(tmp_path: Path) -> None:
    world = wild(World(20))
    for second in range(5, 15):
        world.loses("exec", second, 50)
    verdict = judge(world, tmp_path)
    assert verdict.state == "cannot_tell"
    assert "the alarm may owe its raising to them" in words(verdict)


def test_what_the_kernel_cannot_tell_about_loss_is_said_and_turns_nothing(tmp_path: Path) -> None:
    world = wild(World(20))
    world.loses("exit", 8, 0, prog_missed=None)
    verdict = judge(world, tmp_path)
    assert verdict.state == "fired"
    assert "because the kernel skipped the program can't be told on this kernel" in words(verdict)


def test_a_recording_of_a_part_of_the_node_says_so(tmp_path: Path) -> None:
    verdict = judge(wild(World(20)), tmp_path, scope={"cgroup": "/x"})
    assert verdict.state == "fired"
    assert "Only one part of the node was recorded" in words(verdict)
    assert verdict.confidence.level == "high"


# --------------------------------------------------------------------------------------------------------- all of them


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Result]:
    recording = wild(World(24)).write(tmp_path_factory.mktemp("fired") / "r")
    return recording, replay(recording, ["short_lived_jobs"])


def sentences(verdict: Verdict) -> list[Any]:
    """All of its parts that are to rest on evidence."""
    parts = [*verdict.summary, *verdict.impact, *verdict.ruled_out, *verdict.could_not_tell, *verdict.next_steps]
    parts += [*verdict.timeline, *verdict.confidence.reasons, verdict.culprit, verdict.detected]
    return [part for part in parts if part is not None]


@pytest.mark.parametrize("length", [24, 10, 2], ids=["fired", "quiet", "cannot tell"])
def test_every_sentence_names_evidence_that_is_there(length: int, tmp_path: Path) -> None:
    verdict = judge(wild(World(length)) if length == 24 else World(length), tmp_path)
    known = {e.name for e in verdict.evidence}
    assert verdict.confidence.reasons
    for part in sentences(verdict):
        assert part.evidence, part
        assert set(part.evidence) <= known, part


def test_evidence_can_be_asked_again_and_gives_the_same_rows(fired: tuple[Recording, Result]) -> None:
    recording, result = fired
    verdict = only(result)
    optional = get_scenario(verdict.scenario).optional
    with Query(recording) as query:
        for evidence in verdict.evidence:
            if evidence.name.startswith("signal_"):
                continue
            rows = query.run(evidence.sql, evidence.params, optional=optional).table
            assert rows.num_rows == evidence.count
            assert tuple(rows.schema.names) == evidence.columns
            assert rows.num_rows == 0 or rows.column(0)[0].as_py() == evidence.rows[0][0]


def test_its_json_holds_whole_numbers_and_texts_only_and_no_place(fired: tuple[Recording, Result]) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                assert isinstance(key, str)
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
        else:
            assert value is None or type(value) in (int, str)

    text = only(fired[1]).to_json()
    walk(json.loads(text))
    assert str(fired[0].path) not in text
    assert "/scenario.yaml" not in text


def test_the_same_recording_gives_the_same_verdict_byte_for_byte(fired: tuple[Recording, Result]) -> None:
    assert only(replay(fired[0], ["short_lived_jobs"])).to_json() == only(fired[1]).to_json()


def test_another_threshold_gives_another_digest(fired: tuple[Recording, Result]) -> None:
    from santabpf.scenarios import get_scenario, load_scenario

    tuned = load_scenario(get_scenario("short_lived_jobs").folder, warn=0.9, crit=0.95)
    verdict = only(replay(fired[0], [tuned]))
    assert verdict.state == "quiet"
    assert verdict.params["warn"] == "90 %"
    assert verdict.digest != only(fired[1]).digest


def test_signals_and_alarms_come_as_tables(fired: tuple[Recording, Result]) -> None:
    result = fired[1]
    signals = result.signals
    assert set(signals.signal) >= {"short_cpu", "short_jobs", "living_cpu", "node_cpu"}
    jobs = signals[signals.signal == "short_jobs"]
    assert list(jobs.second) == [START + n * S for n in range(24)]
    assert jobs.value.sum() == 230
    (alarm,) = result.alarms.to_dict("records")
    assert (alarm["state"], alarm["node"]) == ("crit", "node-1")
    assert alarm["onset_ns"] < alarm["from_ns"] < alarm["to_ns"]
    assert result.exit_code == 3


def test_a_quiet_result_has_empty_tables_of_the_same_shape(fired: tuple[Recording, Result], tmp_path: Path) -> None:
    result = replay(World(10).write(tmp_path / "r"))
    assert result.exit_code == 0
    assert list(result.alarms.columns) == list(fired[1].alarms.columns)
    assert list(result.alarms.dtypes) == list(fired[1].alarms.dtypes)


@pytest.mark.parametrize(
    ("name", "near"), [("short_lived_jobs", "what came nearest was 0.0 %."), ("ssh_brute_force", "nothing to count.")]
)
def test_a_quiet_verdict_says_what_came_nearest_to_its_alarm(name: str, near: str, tmp_path: Path) -> None:
    verdict = only(replay(World(10, probes=(*PROBES, "auth")).write(tmp_path / "r"), [name]))
    assert (verdict.state, verdict.detected is None) == ("quiet", False)
    assert verdict.detected is not None
    assert verdict.detected.text.endswith(near)


def test_a_recording_that_holds_nothing_is_an_error_and_not_quiet(tmp_path: Path) -> None:
    with Writer(tmp_path / "rec", info={"probes": {}}, tables=["exec"]):
        pass
    with pytest.raises(RecordingError, match="nothing to judge"):
        replay(open_recording(tmp_path / "rec"))


def test_a_byte_that_was_changed_is_told_with_its_file(tmp_path: Path) -> None:
    recording = wild(World(20)).write(tmp_path / "r")
    part = max(recording.parts("exit"), key=lambda part: part.bytes)
    data = bytearray(part.path.read_bytes())
    data[4:] = bytes(len(data) - 1000) + data[-996:]  # its footer is as it was
    part.path.write_bytes(data)
    with pytest.raises(RecordingError, match=f"^{re.escape(str(part.path))}: "):
        replay(open_recording(recording.path))


def test_tables_that_are_missing_are_each_named_and_one_step_brings_them_all(tmp_path: Path) -> None:
    verdict = judge(World(20, probes=("exec", "processes", "process_cpu", "metrics")), tmp_path)
    assert verdict.state == "cannot_tell"
    assert {t for t in ("exit", "fork", "exec") if f"has no {t} table" in words(verdict)} == {"exit", "fork"}
    (step,) = verdict.next_steps
    assert "santabpf record NODE --scenario short_lived_jobs" in step.text
    assert "not watched whole" not in words(verdict)


def test_a_table_that_no_probe_fills_is_a_broken_scenario_and_no_missing_table(tmp_path: Path) -> None:
    folder = tmp_path / "short_lived_jobs"
    folder.mkdir()
    text = (shipped("scenarios") / "short_lived_jobs" / "scenario.yaml").read_text()
    (folder / "scenario.yaml").write_text(text.replace("count(*) AS value FROM exit ", "count(*) AS value FROM exti "))
    verdict = only(replay(World(20).write(tmp_path / "r"), [load_scenario(folder)]))
    assert verdict.state == "cannot_tell"
    assert re.search(r"scenario.yaml:\d+: .*there is no table 'exti'; did you mean 'exit'\?", words(verdict))


def test_where_no_build_ran_none_is_spoken_of(tmp_path: Path) -> None:
    verdict = judge(World(2), tmp_path)
    assert verdict.state == "cannot_tell"
    assert "A build ran" not in words(verdict)


def test_an_incident_lasted_no_longer_than_was_recorded() -> None:
    recording = open_recording(Path(__file__).parents[2] / "recordings" / "event_loop_blocked")
    start, end = recording.window
    assert (end - start) % S
    totals = only(replay(recording, ["event_loop_blocked"])).find("totals")
    told = dict(zip(totals.columns, totals.rows[0], strict=True))["span_ns"]
    assert 10 * S < told <= end - start
