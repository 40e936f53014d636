"""Maps on this kernel: what stands now, and room for new keys without losing a count."""

from __future__ import annotations

import collections
import dataclasses
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from real_elf import Elf, decoded

from santabpf import wire
from santabpf.elf import maps, procfs
from santabpf.probes import Probe, get_probe, load_probe
from santabpf.probes.source import plan

FILES = 7  # that each child opens by name, apart from what its start opens
CHILD = ["/bin/cat", *["/dev/null"] * FILES]


def with_entries(probe: Probe, entries: int) -> Probe:
    """The probe, its maps with room for so many keys only."""
    tables = tuple(dataclasses.replace(t, entries=entries) if t.source == "map" else t for t in probe.tables)
    return dataclasses.replace(probe, tables=tables)


@pytest.mark.bpf
def test_no_count_is_lost_while_keys_of_processes_that_are_gone_make_room() -> None:
    entries = 128
    recorded = plan([(with_entries(get_probe("opens"), entries), {})], scope={"tree": os.getpid()})
    children = collections.Counter[int]()
    with Elf(recorded) as elf:
        elf.until(wire.HELLO)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            batch = [subprocess.Popen(CHILD) for _ in range(4)]
            children.update({child.pid: 1 for child in batch})
            assert [child.wait() for child in batch] == [0] * 4
            elf.read(0.1)
        elf.read(1.1)
        elf.finish()
        rows = [row for row in decoded(elf, "opens_count") if row["tgid"] in children]
        lost = elf.json_of(wire.TICK)[-1]["loss"]["opens_count"]
    found = collections.Counter[int]()
    for row in rows:
        found[row["tgid"]] += row["opened"]
    assert len(children) > 1.5 * entries, "more processes than the map has room for"
    assert lost == {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    assert set(found) == set(children)
    assert len(set(found.values())) == 1, "each opened the same files"
    assert sum(found.values()) == len(children) * next(iter(found.values()))
    assert next(iter(found.values())) > FILES


class Kernel:
    """A map as bpf(2) shows it; `late` is counted between a reading and the removal."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.late: dict[bytes, bytes] = {}

    def read(self) -> list[tuple[bytes, bytes]]:
        return list(self.rows.items())

    def take(self, fd: int, key: bytes, size: int) -> bytes | None:
        value = self.late.pop(key, self.rows.get(key))
        self.rows.pop(key, None)
        return value


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(maps.kernel, "Batch", lambda *args: made)
    monkeypatch.setattr(maps.kernel, "map_take", made.take)
    monkeypatch.setattr(maps, "gone_processes", lambda who: {w for w in who if w[0] < 1000})
    return made


SPEC: dict[str, Any] = {"key_bytes": 16, "value_bytes": 8, "entries": 4, "array": False, "process": [8, 0]}
ROOM = 1 << 20


def key(tgid: int) -> bytes:
    return (10**10).to_bytes(8, "little") + tgid.to_bytes(8, "little")


def value(count: int) -> bytes:
    return count.to_bytes(8, "little") + bytes(8)


def test_a_key_leaves_only_unchanged_when_its_process_is_gone_and_the_map_is_half_full(kernel: Kernel) -> None:
    table = maps.Table(0, SPEC, 2)
    kernel.rows = {key(1): value(5), key(2): value(6)}
    table.read()
    kernel.rows[key(1001)] = value(7)
    assert table.evict(ROOM) == []
    kernel.rows |= {key(2): value(8), key(3): value(1)}
    table.read()
    assert table.evict(ROOM) == [key(1) + value(0)]
    assert set(kernel.rows) == {key(2), key(3), key(1001)}
    del kernel.rows[key(2)]
    table.read()
    assert table.evict(ROOM) == [], "half full only"


def test_what_was_counted_between_the_reading_and_the_removal_is_sent_before_the_zeros(kernel: Kernel) -> None:
    table = maps.Table(0, SPEC, 2)
    kernel.rows = {key(n): value(n) for n in (1, 2, 3)}
    table.read()
    table.read()
    kernel.late = {key(2): value(9)}
    assert table.evict(ROOM) == [key(2) + value(9), b"".join(key(n) + value(0) for n in (1, 2, 3))]


def test_no_more_leaves_than_can_be_told(kernel: Kernel) -> None:
    table = maps.Table(0, SPEC, 2)
    kernel.rows = {key(n): value(n) for n in (1, 2, 3)}
    table.read()
    table.read()
    assert table.evict(2 * table.row_bytes) == [key(1) + value(0)]
    assert set(kernel.rows) == {key(2), key(3)}


@pytest.mark.parametrize("spec", [{"process": None}, {"entries": 100}])
def test_a_map_without_processes_or_with_room_keeps_its_keys(kernel: Kernel, spec: dict[str, Any]) -> None:
    table = maps.Table(0, SPEC | spec, 2)
    kernel.rows = {key(n): value(n) for n in (1, 2, 3)}
    table.read()
    table.read()
    assert table.evict(ROOM) == []
    assert len(kernel.rows) == 3


def test_a_process_is_gone_when_there_is_none_of_its_number_and_start() -> None:
    stat = procfs.read_file("/proc/self/stat") or b""
    start = int(stat[stat.rindex(b")") + 1 :].split()[19])
    me, dead = os.getpid(), subprocess.Popen(["/bin/true"])
    dead.wait()
    asked = {(me, start), (me, start - 1), (dead.pid, start), (0, 0)}
    assert maps.gone_processes(asked) == {(me, start - 1), (dead.pid, start)}


STANDING = """\
name: standing
summary: For tests.
attach: [raw_tracepoint:sched_process_exec, raw_tracepoint:sched_process_exit]
btf: {OFF_TASK_TGID: task_struct.tgid}
cost: none
kernels: any
sources: [tests]
tables:
  standing:
    source: map
    snapshot: true
    entries: 4096
    description: One row is a process that runs a program now.
    columns:
      - {name: ts_ns, kind: clock, unit: ns, description: "when"}
      - {name: span_ns, unit: ns, description: "since the last reading"}
      - {name: tgid, c: s32, key: true, unit: id, description: "who"}
      - {name: since_ns, c: u64, kind: clock, unit: ns, description: "since when"}
      - {name: number, c: s32, unit: count, unknown: -1, description: "a number"}
      - {name: comm, c: "char[20]", kind: text, description: "its name"}
"""
PROGRAM = """
RAW_TRACEPOINT_PROBE(sched_process_exec)
{
	struct standing_key key = {.tgid = bpf_get_current_pid_tgid() >> 32};
	struct standing_value *value = is_armed() ? standing_at(&key) : 0;
	if (!value)
		return 0;
	value->since_ns = bpf_ktime_get_ns();
	value->number = key.tgid & 1 ? -1 : 0;
	bpf_get_current_comm(value->comm, 16);
	return 0;
}
RAW_TRACEPOINT_PROBE(sched_process_exit)
{
	struct standing_key key = {.tgid = bpf_get_current_pid_tgid() >> 32};
	standing_remove(&key);
	return 0;
}
"""


@pytest.mark.bpf
def test_a_snapshot_has_a_row_each_second_for_what_stands_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "probes" / "standing"
    folder.mkdir(parents=True)
    (folder / "probe.yaml").write_text(STANDING)
    (folder / "probe.bpf.c").write_text(PROGRAM)
    monkeypatch.setenv("SANTABPF_PATH", str(tmp_path))
    with Elf(plan([(load_probe(folder), {})])) as elf:
        elf.until(wire.HELLO)
        long = [subprocess.Popen(["/bin/sleep", "60"]) for _ in range(2)]
        short = subprocess.Popen(["/bin/true"])
        short.wait()
        elf.read(2.3)
        for child in long:
            child.kill()
            child.wait()
        elf.read(1.2)
        elf.finish()
        rows = decoded(elf, "standing")
    for child in long:
        mine = [row for row in rows if row["tgid"] == child.pid]
        assert len(mine) in (2, 3)
        assert {row["comm"] for row in mine} == {"sleep"}
        assert {row["number"] for row in mine} == {None if child.pid & 1 else 0}
        assert len({row["since_ns"] for row in mine}) == 1
        assert mine[-1]["ts_ns"] - mine[0]["ts_ns"] == (len(mine) - 1) * 10**9
    assert not [row for row in rows if row["tgid"] == short.pid]
