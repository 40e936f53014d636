"""Who waited, how long and how many; and in which container and pod the culprit is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from made_up_node import MS, PROBES, START, S, World
from test_loss_of_causes import begun, bundled, changed

from santabpf.replay import replay
from santabpf.tables import table_schema
from santabpf.verdict import Verdict

CONTAINER, POD = "4f" * 32, "0b0e4c52-9f3e-4b6a-8d0c-3a1f5b2c7d9e"
KUBE = f"/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope"


def said(verdict: Verdict) -> str:
    return " ".join(verdict.to_text().split())


def refused(folder: Path, *probes: str, waiting: int = 0, cgroup: str = "/acme.slice/shop") -> Verdict:
    """A server on port 8080 that has no descriptor to accept with, and as many connections that wait."""
    world = World(20, probes=(*PROBES, "exhausted", *probes))
    server = world.lives("shopd", argv=["/usr/bin/shopd"], cgroup=cgroup)
    who = {"start_ns": server.start_ns, "tgid": server.tgid, "call": "accept4", "error": 24}
    for at in range(5, 15):
        end = START + (at + 1) * S
        world.rows["exhausted"].append({**who, "ts_ns": end, "span_ns": S, "errors": 23})
        world.rows["exhausted_case"].append({
            **who, "ts_ns": end - 100 * MS, "tid": server.tgid, "comm": "shopd", "descriptors_max": 128,
            "local_port": 8080, "path": "",
        })  # fmt: skip
        for client in range(waiting):
            world.rows["accept_waiting"].append({
                "ts_ns": end, "span_ns": S, "since_ns": START + 5 * S + 500 * MS, "netns": 1, "local_port": 8080,
                "remote_port": 40000 + client, "local_ip": "10.0.0.1", "remote_ip": "10.0.0.2",
            })  # fmt: skip
    (verdict,) = replay(world.write(folder), ["fd_exhaustion"]).verdicts
    assert verdict.state == "fired"
    return verdict


def test_connections_at_a_port_without_descriptors_are_counted(tmp_path: Path) -> None:
    verdict = refused(tmp_path / "r", "accept", waiting=17)
    assert "17 connections waited at port 8080 to be accepted, 17 at once at most" in said(verdict)
    assert "the longest for 9.5 s by then" in said(verdict)
    assert "How many clients wait" not in said(verdict)


@pytest.mark.parametrize(
    ("probes", "why"),
    [((), "the probe accept, which tells, was not recorded"), (("accept",), "no reading of the queue found one")],
)
def test_where_their_number_is_not_known_that_is_said(probes: tuple[str, ...], why: str, tmp_path: Path) -> None:
    verdict = refused(tmp_path / "r", *probes)
    assert f"How many clients wait: {why}" in said(verdict)
    assert "to be accepted" not in said(verdict)


def held(folder: Path, kept_waiting: int | None) -> Verdict:
    """A loop that is held for 400 ms in each of ten seconds, and what it finds ready when it comes back."""
    world = World(20, probes=("event_loop", "runq", "processes", "exec"))
    loop = world.lives("shopd", argv=["/usr/bin/shopd"])
    who = {"start_ns": loop.start_ns, "tgid": loop.tgid, "tid": loop.tgid, "comm": "shopd"}
    for at in range(5, 15):
        end = START + (at + 1) * S
        world.rows["event_loop"].append({
            **who, "ts_ns": end, "span_ns": S, "ticks": 21, "busy_ns": 402 * MS, "over_50ms": 1, "over_200ms": 1,
            "max_ns": 400 * MS, "kept_waiting": kept_waiting, "most_waiting": kept_waiting,
        })  # fmt: skip
        slow = {"ts_ns": end - 100 * MS, "busy_ns": 400 * MS, "cpu_ns": 0, "ready": 1}
        world.rows["event_loop_slow"].append(who | slow)
    (verdict,) = replay(world.write(folder), ["event_loop_blocked"]).verdicts
    assert verdict.state == "fired"
    return verdict


@pytest.mark.parametrize(
    ("kept_waiting", "told"),
    [
        (3, "30 of its descriptors (a client's connection, or its port) had something for it already, 3 at once"),
        (0, "When it came back from its 10 ticks, none of its descriptors had anything for it"),
        (None, "How many clients waited: this recording is older than the count"),
    ],
)  # fmt: skip
def test_what_a_held_loop_found_ready_when_it_came_back_is_told(
    kept_waiting: int | None, told: str, tmp_path: Path
) -> None:
    verdict = held(tmp_path / "r", kept_waiting)
    assert told in said(verdict)
    assert ("How many clients waited" in said(verdict)) == (kept_waiting is None)


@pytest.mark.parametrize(
    ("cgroup", "container", "pod"),
    [
        (f"/system.slice/docker-{CONTAINER}.scope", CONTAINER, ""),
        (KUBE, CONTAINER, POD),
        ("/system.slice/shop.service", "", ""),
    ],
)
def test_container_and_pod_of_the_culprit_are_named_where_there_are_any(
    cgroup: str, container: str, pod: str, tmp_path: Path
) -> None:
    verdict = refused(tmp_path / "r", cgroup=cgroup)
    assert verdict.culprit is not None
    assert (verdict.culprit.cgroup, verdict.culprit.container, verdict.culprit.pod) == (cgroup, container, pod)
    text = verdict.to_text()
    assert (f"  container: {container}\n" in text, "  container: " in text) == (bool(container),) * 2
    assert (f"  pod: {pod}\n" in text, "  pod: " in text) == (bool(pod),) * 2
    assert ("--ulimit nofile=512" in text, "systemctl edit shop.service" in text) == (bool(container), not container)


def of_runq(begin: int, waits: int) -> pa.Table:
    """So many waits of 20 ms each, of two jobs in turn, and one of a process that gives way to all others."""
    who = {"cpu": 0, "prev_comm": "sh", "comm": "job", "nice": 0, "wait_ns": 20 * MS}
    rows = [who | {"ts_ns": begin + at, "tgid": 70 + at % 2, "tid": 70 + at % 2, "start_ns": at % 2 + 1}
            for at in range(waits)]  # fmt: skip
    rows.append(who | {"ts_ns": begin, "tgid": 80, "tid": 80, "start_ns": 9, "comm": "backup", "nice": 19})
    return pa.Table.from_pylist(rows, schema=table_schema("runq").arrow)


@pytest.mark.parametrize("scenario", ["short_lived_jobs", "cpu_usage"])
def test_who_waited_for_a_cpu_is_told_where_it_was_recorded_and_else_that_it_is_not_known(
    scenario: str, tmp_path: Path
) -> None:
    whole = bundled(scenario)
    (before,) = replay(whole, [scenario]).verdicts
    nodes = {"some": {"runq": of_runq(begun(before), 23)}, "none": {"runq": of_runq(begun(before), 0)}}
    found = {v.node: v for v in replay(changed(whole, tmp_path / "r", nodes), [scenario]).verdicts}
    (blind,) = replay(changed(whole, tmp_path / "b", {"node-1": {}}, ["runq"]), [scenario]).verdicts
    assert {blind.state, found["some"].state, found["none"].state} == {"fired"}
    assert "for a CPU, 460 ms in all" in said(found["some"]) or "for a CPU for 460 ms in all" in said(found["some"])
    assert "backup" not in said(found["some"])
    assert "No thread waited for a CPU for 10 ms or more" in said(found["none"])
    assert "Who waited for a CPU meanwhile, and how long: runq, which tells, was not recorded" in said(blind)
    assert "Who waited for a CPU" not in said(found["some"]) + said(found["none"])


def of_reclaim(end: int, cgroup: str, who: dict[int, int]) -> pa.Table:
    """Processes of one cgroup that freed memory in the second before, each so often; and one of another cgroup."""
    row = {"ts_ns": end, "span_ns": S, "start_ns": 1, "kind": "memcg", "comm": "shopd", "freed_pages": 32}
    rows = [row | {"tgid": tgid, "times": times, "spent_ns": times * MS, "cgroup": cgroup}
            for tgid, times in who.items()]  # fmt: skip
    rows.append(row | {"tgid": 80, "times": 1000, "spent_ns": S, "cgroup": "/other", "comm": "other"})
    return pa.Table.from_pylist(rows, schema=table_schema("reclaim").arrow)


def test_who_in_a_full_cgroup_had_to_free_memory_is_told_with_how_long_it_took(tmp_path: Path) -> None:
    whole = bundled("memory_usage")
    (before,) = replay(whole, ["memory_usage"]).verdicts
    assert before.culprit is not None
    end, cgroup = begun(before) + S, before.culprit.cgroup
    who = {"some": {70: 23, 71: 1}, "none": {}}
    nodes = {node: {"reclaim": of_reclaim(end, cgroup, times)} for node, times in who.items()}
    found = {v.node: v for v in replay(changed(whole, tmp_path / "r", nodes), ["memory_usage"]).verdicts}
    (blind,) = replay(changed(whole, tmp_path / "b", {"node-1": {}}, ["reclaim"]), ["memory_usage"]).verdicts
    assert {blind.state, found["some"].state, found["none"].state} == {"fired"}
    some = said(found["some"])
    assert "somebody had to stop 24 times, 24 ms in all: shopd (pid 70) 23 times, 23 ms; shopd (pid 71) 1 time" in some
    assert "other (pid 80)" not in some
    assert "Nobody in it was seen to stop to free memory" in said(found["none"])
    assert "Who had to stop to free memory, and how long: reclaim, which tells, was not recorded" in said(blind)


def test_those_that_had_to_free_memory_before_a_kill_are_named(tmp_path: Path) -> None:
    whole = bundled("oom_kill")
    (before,) = replay(whole, ["oom_kill"]).verdicts
    freed = of_reclaim(begun(before) + S, "/shop", {70: 23, 71: 1})
    (verdict,) = replay(changed(whole, tmp_path / "r", {"node-1": {"reclaim": freed}}), ["oom_kill"]).verdicts
    assert "3 processes had to stop 1 024 times to free memory, 1.02 s in all: other (pid 80) 1 000" in said(verdict)
    assert "; shopd (pid 70) 23 times, 23 ms; shopd (pid 71) 1 time, 1 ms." in said(verdict)


@pytest.mark.parametrize(("kept_waiting", "is_open"), [(3, True), (None, True), (0, False)])
def test_which_clients_waited_for_a_held_loop_is_not_known(
    kept_waiting: int | None, is_open: bool, tmp_path: Path
) -> None:
    assert ("Which clients waited: " in said(held(tmp_path / "r", kept_waiting))) == is_open
