"""Losses that the tests make themselves, found again in tcp_loss: as many as the sockets themselves have counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from planted import recorded
from planted_tcp import closed_port, refuse, server, talk
from probes.expect import tcp_loss as expect
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.decode.columns import address
from santabpf.elf.btf import BTF

pytestmark = pytest.mark.bpf
PLANTED = 23

@pytest.fixture(scope="module")
def elf() -> Iterator[Elf]:
    with Elf(plan_of("tcp_loss")) as running:
        running.until(wire.HELLO)
        assert running.json_of(wire.HELLO)[0]["probes"]["tcp_loss"]["state"] in ("on", "partial")
        running.read(0.2)
        yield running


def ip(raw: bytes) -> str | None:
    return address(raw.ljust(16, b"\0"))


def test_what_is_sent_again_are_rows_as_the_sockets_count_them_over_ipv4_and_ipv6() -> None:
    table, facts = recorded(plan_of("tcp_loss"), "tcp_loss", wait_s=0.6)
    expect.check(table, facts | {"probe": {"state": "on"}})


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
