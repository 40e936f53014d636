"""At full load: no record is torn, and what was kept and what was lost add up to what happened.

Built for the test, each ring record carries one counter first and last, and the program counts its events where
nobody drains them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from real_elf import (
    CONNECTIONS,
    DISK_READS,
    FILE_READS,
    FORKS,
    MISSES,
    POLLS,
    QUESTIONS,
    REFUSED,
    SWITCH,
    Elf,
    load,
    plan_of,
    record_type,
)  # fmt: skip

from santabpf import wire

pytestmark = pytest.mark.bpf
LOADS = {
    "switches": SWITCH, "runq": SWITCH, "exec": FORKS, "exit": FORKS, "fork": FORKS, "tcp": REFUSED,
    "tcp_loss": REFUSED, "opens": MISSES,
    "block_io": DISK_READS, "file_io_slow": FILE_READS, "event_loop_slow": POLLS,
    "accept": CONNECTIONS, "dns": QUESTIONS, "profile": FORKS, "offcpu": SWITCH,
}  # fmt: skip


class Tally:
    """Counts the records of one table as they come, and keeps none."""

    def __init__(self, table: str, table_id: int) -> None:
        self.kept = self.torn = self.misplaced = 0
        self._type, self._id = record_type(table, selfcheck=True), table_id

    def __call__(self, frame: wire.Frame) -> bool:
        if frame.kind != wire.RING or frame.table != self._id:
            return False
        rows: np.ndarray[Any, Any] = np.frombuffer(frame.payload, self._type)
        self.kept += len(rows)
        self.torn += int((rows["check_first"] != rows["check_last"]).sum())
        self.misplaced += int((rows["length"] != self._type.itemsize - 8).sum() + (rows["ts_ns"] == 0).sum())
        return True


def record_under_load(spec: str, seconds: float, **options: Any) -> tuple[Tally, dict[str, int], int]:
    """The tally, the table's last loss counters, and the truth."""
    probe = spec.partition(":")[0]
    table = {"file_io": "file_io_slow", "event_loop": "event_loop_slow"}.get(probe, probe)
    plan = plan_of(spec, selfcheck=True, **options)
    tally = Tally(table, next(t["id"] for t in plan["probes"][0]["tables"] if t["name"] == table))
    with Elf(plan, tally) as elf:
        elf.until(wire.HELLO)
        with load(LOADS[table]):
            elf.read(seconds)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
        assert elf.json_of(wire.BYE) == [{"reason": "asked"}]
        assert elf.reader.pending == 0
    return tally, last["loss"][table], last["truth"][table]


def assert_sound(tally: Tally, loss: dict[str, int], truth: int) -> None:
    assert tally.torn == 0
    assert tally.misplaced == 0
    assert tally.kept + loss["reserve_failed"] + loss["buffer_dropped"] == truth


def test_ten_seconds_of_context_switches_at_full_load_are_whole_and_add_up() -> None:
    tally, loss, truth = record_under_load("switches", 10)
    assert_sound(tally, loss, truth)
    assert tally.kept > 100_000


@pytest.mark.parametrize(
    "spec",
    ["runq:min_wait_ns=0", "exec", "exit", "fork", "tcp", "tcp_loss", "opens", "block_io:min_total_ns=0",
     "file_io:min_rw_ns=0,min_sync_ns=0", "event_loop:min_busy_ns=0",
     "accept:min_wait_ns=0", "dns", "profile:hz=999", "offcpu:min_block_ns=0"],
)
def test_each_ring_is_whole_and_adds_up(spec: str) -> None:
    tally, loss, truth = record_under_load(spec, 2)
    assert_sound(tally, loss, truth)
    assert tally.kept > 100


def test_a_ring_that_is_too_small_loses_records_and_counts_every_one() -> None:
    tally, loss, truth = record_under_load("switches", 3, ring_bytes=4096)
    assert_sound(tally, loss, truth)
    assert loss["reserve_failed"] > 0
    assert tally.kept > 0


def test_a_reader_that_stands_still_costs_records_but_never_the_count() -> None:
    plan = plan_of("switches", selfcheck=True, buffer_bytes=1 << 20, ring_bytes=1 << 16)
    tally = Tally("switches", 1)
    with Elf(plan, tally) as elf:
        elf.until(wire.HELLO)
        with load(SWITCH):
            for _ in range(4):
                elf.ping_without_reading(0.5)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"]["switches"], last["truth"]["switches"])
    assert last["loss"]["switches"]["reserve_failed"] + last["loss"]["switches"]["buffer_dropped"] > 0
