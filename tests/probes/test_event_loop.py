"""A planted loop: as many ticks as it had, and of the long ones, which computed and which was blocked."""

from __future__ import annotations

import pytest
from real_elf import POLLS, Elf, load, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf


def test_where_a_kind_of_poll_is_missing_the_others_are_seen_and_it_is_named() -> None:
    plan = plan_of("event_loop:min_busy_ns=0")
    plan["probes"][0]["attach"] = [
        entry.replace("_epoll_wait?", "_epoll_gone?") for entry in plan["probes"][0]["attach"]
    ]
    plan["probes"][0]["source"] = (
        "#define HAS_SYS_ENTER_EPOLL_WAIT 0\n#define HAS_SYS_EXIT_EPOLL_WAIT 0\n" + plan["probes"][0]["source"]
    )
    with Elf(plan) as elf:
        told = elf.until(wire.HELLO).json()["probes"]["event_loop"]
        with load(POLLS):
            elf.read(0.5)
        elf.finish()
        rows = elf.records("event_loop_slow")
    assert told["state"] == "partial"
    assert told["missing"] == [f"tracepoint:syscalls:sys_{end}_epoll_gone" for end in ("enter", "exit")]
    assert len(rows) > 0
