"""Who waited, how long and how many; and in which container and pod the culprit is."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import MS, PROBES, START, S, World

from santabpf.replay import replay
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
