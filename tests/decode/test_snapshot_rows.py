"""Maps of what stands now: each reading is a row for each key, and bytes that only align are in no row."""

from __future__ import annotations

import struct

from streams import CPUS, OFFSET, UTC

from santabpf.decode.columns import Stats
from santabpf.decode.snapshots import SnapshotTable
from santabpf.decode.times import Clock
from santabpf.probes import Table
from santabpf.schema import Column, Schema
from santabpf.units import SECOND

TABLE = Table(
    "waiting", "map", Schema("waiting", "One row is one key.", (
        Column("ts_ns", None, "clock", "ns", "UTC"),
        Column("span_ns", None, "number", "ns", "its length"),
        Column("fd", "u16", "number", "id", "the key", key=True),
        Column("pad0", "char[6]", "pad", "none", "alignment", key=True),
        Column("since_ns", "u64", "clock", "ns", "UTC"),
        Column("pad1", "char[4]", "pad", "none", "alignment"),
        Column("comm", "char[4]", "text", "none", "a name"),
    )), entries=8, snapshot=True,
)  # fmt: skip


def test_each_reading_has_the_keys_that_stand_and_no_padding() -> None:
    reader, clock = SnapshotTable(TABLE, 8, 16), Clock(OFFSET, 1)
    payload = struct.pack("<H6xQ4x4s", 7, UTC - OFFSET, b"sh") + struct.pack("<H6xQ4x4s", 9, UTC - OFFSET + 5, b"ls")
    assert reader.read(b"", UTC, CPUS, clock, Stats()) is None
    for at in (1, 2):
        batch = reader.read(payload, UTC + at * SECOND, CPUS, clock, Stats())
        assert batch is not None
        assert batch.schema.names == ["ts_ns", "span_ns", "fd", "since_ns", "comm"]
        assert [(r["fd"], r["since_ns"], r["comm"]) for r in batch.to_pylist()] == [(7, UTC, "sh"), (9, UTC + 5, "ls")]
    assert reader.read(b"", UTC + 3 * SECOND, CPUS, clock, Stats()) is None
