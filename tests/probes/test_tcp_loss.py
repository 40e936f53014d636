"""Losses that the tests make themselves, found again in tcp_loss: as many as the sockets themselves have counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted_tcp import closed_port, refuse, server, talk
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.decode.columns import address
from santabpf.elf.btf import BTF

pytestmark = pytest.mark.bpf
PLANTED = 23
HERE, THERE, NOBODY, SPOOFED = (f"198.51.100.{n}" for n in (1, 2, 8, 9))


@pytest.fixture(scope="module")
def elf() -> Iterator[Elf]:
    with Elf(plan_of("tcp_loss")) as running:
        running.until(wire.HELLO)
        assert running.json_of(wire.HELLO)[0]["probes"]["tcp_loss"]["state"] in ("on", "partial")
        running.read(0.2)
        yield running


@pytest.fixture(scope="module")
def lossy(elf: Elf) -> tuple[dict[str, Any], list[Any]]:
    """What was planted in a namespace without a way out, and the rows of its addresses."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "plant" / "tcp_loss.py")], stdout=subprocess.PIPE
    )
    elf.read(3)
    out, _ = child.communicate(timeout=10)
    assert child.returncode == 0
    elf.read(0.6)
    return json.loads(out), [r for r in elf.records("tcp_loss") if ip(r["local_ip"]) == HERE]


def ip(raw: bytes) -> str | None:
    return address(raw.ljust(16, b"\0"))


@pytest.mark.parametrize(("event", "remote", "state"), [("syn", NOBODY, 2), ("retransmit", THERE, 1)])
def test_each_retransmission_is_a_row_as_the_sockets_count_them(
    lossy: tuple[dict[str, Any], list[Any]], event: str, remote: str, state: int
) -> None:
    truth, rows = lossy
    mine = [r for r in rows if r["event"] == event.encode()]
    assert Counter(str(r["local_port"]) for r in mine) == truth[event]
    assert len(truth[event]) == PLANTED
    assert min(truth[event].values()) >= 1
    assert {(ip(r["remote_ip"]), int(r["remote_port"]), int(r["state"]), int(r["error"])) for r in mine} == {
        (remote, 7, state, 0)
    }


def test_23_syn_acks_that_nobody_answers_are_sent_again(lossy: tuple[dict[str, Any], list[Any]]) -> None:
    truth, rows = lossy
    mine = [r for r in rows if r["event"] == b"synack"]
    assert sorted(int(r["remote_port"]) for r in mine) == truth["synack"]
    assert {(ip(r["remote_ip"]), int(r["local_port"])) for r in mine} == {(SPOOFED, truth["port"])}


def test_23_refused_connections_are_23_resets_sent_and_23_received(elf: Elf) -> None:
    port = closed_port()
    mine = {refuse(port) for _ in range(PLANTED)}
    elf.read(0.6)
    rows = elf.records("tcp_loss")
    sent, came = rows[rows["local_port"] == port], rows[rows["remote_port"] == port]
    assert {int(r["remote_port"]) for r in sent} == {int(r["local_port"]) for r in came} == mine
    assert len(sent) == len(came) == PLANTED
    assert {(r["event"], r["reason"], int(r["state"])) for r in sent} == {(b"reset_out", b"NO_SOCKET", 0)}
    assert {(r["event"], r["reason"], int(r["state"])) for r in came} == {(b"reset_in", b"", 2)}
    assert {ip(r[end]) for r in [*sent, *came] for end in ("local_ip", "remote_ip")} == {"127.0.0.1"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_that_is_given_up_tells_so_with_its_ends(elf: Elf, host: str) -> None:
    with server(host) as (port, _):
        mine = {talk(host, port, 10, hurry=True) for _ in range(PLANTED)}
    elf.read(0.6)
    rows = elf.records("tcp_loss")
    sent, came = rows[rows["remote_port"] == port], rows[rows["local_port"] == port]
    assert {int(r["local_port"]) for r in sent} == {int(r["remote_port"]) for r in came} == mine
    assert len(sent) == len(came) == PLANTED
    assert {r["reason"] for r in sent} == {b"TCP_STATE"}  # what tcp_disconnect() says, whoever asked for it
    assert {ip(r[end]) for r in [*sent, *came] for end in ("local_ip", "remote_ip")} == {host}


def test_nothing_is_lost_when_all_goes_well(elf: Elf) -> None:
    with server("127.0.0.1") as (port, _):
        for _ in range(PLANTED):
            talk("127.0.0.1", port, 10)
        elf.read(0.6)
    rows = elf.records("tcp_loss")
    assert not ((rows["local_port"] == port) | (rows["remote_port"] == port)).any()


def test_a_tree_scope_has_what_happens_on_its_sockets_and_nothing_of_others() -> None:
    with server("127.0.0.1") as (port, child), Elf(plan_of("tcp_loss", scope={"tree": child})) as scoped:
        scoped.until(wire.HELLO)
        scoped.read(0.2)
        for _ in range(PLANTED):
            talk("127.0.0.1", port, 10, hurry=True)
        nobody = closed_port()
        refuse(nobody)
        scoped.read(0.6)
        rows = scoped.records("tcp_loss")
    assert {(r["event"], int(r["local_port"])) for r in rows} == {(b"reset_in", port)}
    assert len(rows) == PLANTED


def test_a_reset_has_the_number_of_its_reason_too(elf: Elf) -> None:
    port = closed_port()
    refuse(port)
    elf.read(0.6)
    rows = elf.records("tcp_loss")
    (sent,), (came,) = rows[rows["local_port"] == port], rows[rows["remote_port"] == port]
    no_socket = BTF.of_kernel().resolve("enum sk_rst_reason.SK_RST_REASON_NO_SOCKET")
    assert (int(sent["reason_id"]), int(came["reason_id"])) == (no_socket, 0xFFFF)
