"""Connections that the tests let wait, found again in accept: as many, as long, and whose."""

from __future__ import annotations

import os
import socket

import pytest
from planted_tcp import server, talk
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23


def test_a_tree_scope_has_what_its_process_accepts_and_nothing_of_others() -> None:
    with (
        server("127.0.0.1") as (theirs, child),
        server("127.0.0.1") as (others, _),
        Elf(plan_of("accept:min_wait_ns=0", scope={"tree": child})) as elf,
    ):
        elf.until(wire.HELLO)
        elf.read(0.2)
        for _ in range(PLANTED + 1):  # the first is accepted by a call that began before
            talk("127.0.0.1", theirs, 10)
            talk("127.0.0.1", others, 10)
        elf.read(0.6)
        rows = elf.records("accept")
    assert {(int(r["local_port"]), int(r["tgid"])) for r in rows} == {(theirs, child)}
    assert len(rows) == PLANTED


def test_a_connection_from_before_the_recording_is_accepted_without_a_row() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        port = listener.getsockname()[1]
        with Elf(plan_of("accept:min_wait_ns=0")) as elf:
            elf.until(wire.HELLO)
            elf.read(0.2)
            listener.accept()[0].close()
            with socket.create_connection(listener.getsockname()):
                listener.accept()[0].close()
            elf.read(0.6)
            rows = elf.records("accept")
    assert [int(r["tgid"]) for r in rows[rows["local_port"] == port]] == [os.getpid()]
