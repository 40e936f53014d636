"""At full load: no record is torn, and what was kept and what was lost add up to what happened.

Built for the test, each ring record carries one counter first and last, and the program counts its events where
nobody drains them.
"""

from __future__ import annotations

from typing import Any

import pytest
from probes.accounts import RingTally, assert_sound
from real_elf import (
    CONNECTIONS,
    DISK_READS,
    FILE_READS,
    FORKS,
    MISSES,
    NO_FORK,
    NO_PROGRAM,
    NO_ROOM,
    POLLS,
    QUESTIONS,
    REFUSED,
    SWITCH,
    Elf,
    load,
    plan_of,
)  # fmt: skip

from santabpf import wire
from santabpf.probes import all_probes

pytestmark = pytest.mark.bpf
LOADS = {
    "switches": SWITCH, "runq": SWITCH, "exec": FORKS, "exit": FORKS, "fork": FORKS, "tcp": REFUSED,
    "tcp_loss": REFUSED, "opens": MISSES,
    "block_io": DISK_READS, "block_io_waits": DISK_READS, "file_io_slow": FILE_READS, "event_loop_slow": POLLS,
    "exec_failed": NO_PROGRAM, "fork_failed": NO_FORK, "exhausted_case": NO_ROOM,
    "accept": CONNECTIONS, "dns": QUESTIONS, "profile": FORKS, "offcpu": SWITCH,
}  # fmt: skip
#: Rings that are looked at in the same way in the tests of their probes, whose loads need more.
ELSEWHERE = {"auth", "oom", "security", "security_files", "signals", "throttle"}


def test_no_ring_is_left_out() -> None:
    assert {table.name for probe in all_probes().values() for table in probe.tables if table.source == "ring"} == {
        *LOADS, *ELSEWHERE
    }  # fmt: skip


def record_under_load(spec: str, table: str, seconds: float, **options: Any) -> tuple[RingTally, dict[str, int], int]:
    """The tally, the table's last loss counters, and the truth."""
    plan = plan_of(spec, selfcheck=True, **options)
    tally = RingTally(table, next(t["id"] for t in plan["probes"][0]["tables"] if t["name"] == table))
    with Elf(plan, tally) as elf:
        elf.until(wire.HELLO)
        with load(LOADS[table]):
            elf.read(seconds)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
        assert elf.json_of(wire.BYE) == [{"reason": "asked"}]
        assert elf.reader.pending == 0
    return tally, last["loss"][table], last["truth"][table]


def test_ten_seconds_of_context_switches_at_full_load_are_whole_and_add_up() -> None:
    tally, loss, truth = record_under_load("switches", "switches", 10)
    assert_sound(tally, loss, truth)
    assert tally.kept > 100_000


@pytest.mark.parametrize(
    ("spec", "table"),
    [("runq:min_wait_ns=0", "runq"), ("exec", "exec"), ("exec", "exec_failed"), ("exit", "exit"), ("fork", "fork"),
     ("fork", "fork_failed"), ("tcp", "tcp"), ("tcp_loss", "tcp_loss"), ("opens", "opens"),
     ("block_io:min_total_ns=0", "block_io"), ("block_io:min_total_ns=0", "block_io_waits"),
     ("file_io:min_rw_ns=0,min_sync_ns=0", "file_io_slow"),
     ("exhausted", "exhausted_case"), ("event_loop:min_busy_ns=0", "event_loop_slow"),
     ("accept:min_wait_ns=0", "accept"), ("dns", "dns"), ("profile:hz=999", "profile"),
     ("offcpu:min_block_ns=0", "offcpu")],
)  # fmt: skip
def test_each_ring_is_whole_and_adds_up(spec: str, table: str) -> None:
    tally, loss, truth = record_under_load(spec, table, 2)
    assert_sound(tally, loss, truth)
    assert tally.kept > 100


def test_a_ring_that_is_too_small_loses_records_and_counts_every_one() -> None:
    tally, loss, truth = record_under_load("switches", "switches", 3, ring_bytes=4096)
    assert_sound(tally, loss, truth)
    assert loss["reserve_failed"] > 0
    assert tally.kept > 0


def test_a_reader_that_stands_still_costs_records_but_never_the_count() -> None:
    plan = plan_of("switches", selfcheck=True, buffer_bytes=1 << 20, ring_bytes=1 << 16)
    tally = RingTally("switches", 1)
    with Elf(plan, tally) as elf:
        elf.until(wire.HELLO)
        with load(SWITCH):
            for _ in range(4):
                elf.ping_without_reading(0.5)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"]["switches"], last["truth"]["switches"])
    assert last["loss"]["switches"]["reserve_failed"] + last["loss"]["switches"]["buffer_dropped"] > 0
