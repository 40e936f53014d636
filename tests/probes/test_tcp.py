"""TCP connections that the tests make themselves, found again in tcp: all of them, both sides, and as they were."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from planted_tcp import HURRY, REPLY, closed_port, refuse, server, talk
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.decode.columns import address

pytestmark = pytest.mark.bpf
PLANTED = 23


@pytest.fixture(scope="module")
def elf() -> Iterator[Elf]:
    with Elf(plan_of("tcp")) as running:
        running.until(wire.HELLO)
        assert running.json_of(wire.HELLO)[0]["probes"]["tcp"]["state"] == "on"
        running.read(0.2)
        yield running


def rows(elf: Elf, **fields: int) -> list[Any]:
    """The records with these values."""
    elf.settle("tcp")
    return [r for r in elf.records("tcp") if all(int(r[k]) == v for k, v in fields.items())]


def ip(raw: bytes) -> str | None:
    return address(raw.ljust(16, b"\0"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_23_connections_are_23_rows_on_each_side_with_their_bytes(elf: Elf, host: str) -> None:
    with server(host) as (port, child):
        began = time.monotonic_ns()
        mine = {talk(host, port, 100 + i): 100 + i for i in range(PLANTED)}
        took = time.monotonic_ns() - began
        out, accepted = rows(elf, remote_port=port), rows(elf, local_port=port)
    assert {int(r["local_port"]): int(r["sent_bytes"]) for r in out} == mine
    assert {int(r["remote_port"]): int(r["received_bytes"]) for r in accepted} == mine
    assert len(out) == len(accepted) == PLANTED
    for r in out:
        assert (r["tgid"], r["direction"], r["received_bytes"]) == (os.getpid(), b"out", REPLY)
        assert 0 < r["connect_ns"] < took
    for r in accepted:
        assert (r["tgid"], r["direction"], r["sent_bytes"], r["connect_ns"]) == (child, b"in", REPLY, 0)
    for r in [*out, *accepted]:
        assert (ip(r["local_ip"]), ip(r["remote_ip"])) == (host, host)
        assert (r["ended"], r["error"], r["retransmits"]) == (b"closed", 0, 0)
        assert r["srtt_ns"] > 0
        assert 0 < r["lifetime_ns"] < took


def test_who_it_was_is_the_same_process_as_proc_says(elf: Elf) -> None:
    with open("/proc/self/stat") as stream:
        ticks = int(stream.read().rpartition(")")[2].split()[19])
    with open("/proc/self/comm", "rb") as stream:
        comm = stream.read().strip()
    with server("127.0.0.1") as (port, _):
        talk("127.0.0.1", port, 1)
        (row,) = rows(elf, remote_port=port)
    assert int(row["start_ns"]) * os.sysconf("SC_CLK_TCK") // 1_000_000_000 == ticks
    assert row["comm"] == comm


def test_23_refused_connections_say_so(elf: Elf) -> None:
    port = closed_port()
    mine = {refuse(port) for _ in range(PLANTED)}
    found = rows(elf, remote_port=port)
    assert {int(r["local_port"]) for r in found} == mine
    assert len(found) == PLANTED
    for r in found:
        assert (r["ended"], r["error"], r["tgid"], r["lifetime_ns"]) == (b"refused", 111, os.getpid(), 0)
        assert r["connect_ns"] > 0
        assert ip(r["remote_ip"]) == "127.0.0.1"


def test_a_reset_is_aborted_on_the_side_that_sent_it_and_reset_on_the_other(elf: Elf) -> None:
    with server("127.0.0.1") as (port, child):
        for _ in range(PLANTED):
            talk("127.0.0.1", port, 10, hurry=True)
        sent, got = rows(elf, remote_port=port), rows(elf, local_port=port)
    assert [(r["ended"], int(r["error"])) for r in sent] == [(b"aborted", 0)] * PLANTED
    assert [(r["ended"], int(r["error"]), int(r["tgid"])) for r in got] == [(b"reset", 104, child)] * PLANTED


def test_a_tree_scope_leaves_out_the_connections_of_others() -> None:
    with server("127.0.0.1") as (port, child), Elf(plan_of("tcp", scope={"tree": child})) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        for _ in range(PLANTED):
            talk("127.0.0.1", port, 10)
        assert len(rows(elf, local_port=port)) == PLANTED
        assert rows(elf, remote_port=port) == []


def test_a_connection_from_before_the_recording_has_no_times_and_no_direction_but_an_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        end = socket.create_connection(("127.0.0.1", port))
        with Elf(plan_of("tcp")) as elf:
            elf.until(wire.HELLO)
            elf.read(0.2)
            end.close()
            listener.close()  # resets the side that waits to be accepted, and so the client's
            (row,) = rows(elf, remote_port=port)
    assert (row["direction"], row["connect_ns"], row["lifetime_ns"]) == (b"", 0, 0)
    assert row["tgid"] == os.getpid()


def test_a_connection_that_nobody_accepted_belongs_to_nobody(elf: Elf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for _ in range(PLANTED):
            with socket.create_connection(("127.0.0.1", port)) as end:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HURRY)
        found = rows(elf, local_port=port)
    assert [(r["direction"], int(r["tgid"]), int(r["start_ns"]), r["comm"]) for r in found] == [(b"in", 0, 0, b"")] * 23
