from __future__ import annotations

from typing import Any

import pytest
from streams import MONO, OFFSET, UTC, ring

from santabpf.decode.cgroups import Cgroups
from santabpf.decode.columns import Stats
from santabpf.decode.ring import RingTable
from santabpf.decode.times import Clock
from santabpf.tables import table_schema
from santabpf.units import SECOND

TICK = SECOND // 100


def decoded(table: str, *rows: dict[str, Any], stats: Stats | None = None) -> list[dict[str, Any]]:
    """These records through the ring's bytes and back."""
    schema = table_schema(table)
    reader = RingTable(schema, sum(c.c_bytes for c in schema.fields))
    payload = ring(table, list(rows))
    assert reader.check(payload) == len(rows)
    batch = reader.decode(payload, Clock(OFFSET, TICK), stats or Stats(), Cgroups())
    batch.validate(full=True)
    assert batch.schema.equals(schema.arrow, check_metadata=True)
    return batch.to_pylist()  # type: ignore[no-any-return]


def one(table: str, **fields: Any) -> dict[str, Any]:
    (row,) = decoded(table, fields)
    return row


def test_times_become_utc_and_starts_are_floored_to_the_clock_tick() -> None:
    row = one("fork", ts_ns=1.5, start_ns=123_456_789, pstart_ns=TICK - 1)
    assert row["ts_ns"] == UTC + 3 * SECOND // 2
    assert row["start_ns"] == 120_000_000
    assert row["pstart_ns"] == 0, "a start below one tick is 0, as /proc says, and not unknown"


def test_values_that_mean_unknown_are_null() -> None:
    row = one("exec", ts_ns=1.0)
    assert [row[name] for name in ("start_ns", "pstart_ns", "cgroup_id", "ptgid")] == [None] * 4
    assert (row["tgid"], row["uid"]) == (0, 0), "where 0 is a value it stays one"


def test_integers_keep_their_value_up_to_the_widest_column() -> None:
    row = one("exit", tgid=-1, uid=(1 << 32) - 1, code=255, cpu_ns=(1 << 63) - 1)
    assert (row["tgid"], row["uid"], row["code"], row["cpu_ns"]) == (-1, 4294967295, 255, (1 << 63) - 1)


def test_what_does_not_fit_is_cut_and_counted_and_never_wraps() -> None:
    stats = Stats()
    rows = decoded("exit", {"cpu_ns": 5, "lifetime_ns": 1 << 63}, {"cpu_ns": (1 << 64) - 1}, stats=stats)
    assert [row["cpu_ns"] for row in rows] == [5, (1 << 63) - 1]
    assert rows[0]["lifetime_ns"] == (1 << 63) - 1
    assert stats.clipped == 2


def test_a_time_beyond_belief_is_no_time_before_the_epoch() -> None:
    (row,) = decoded("switches", {"ts_ns": ((1 << 64) - 1 - MONO) / SECOND * 0.9})
    assert row["ts_ns"] == (1 << 62) + OFFSET


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"sh\0secret", "sh"),  # bytes after the NUL are leftovers of the kernel's memory
        (b"\0", ""),
        (b"sixteen bytes ok", "sixteen bytes ok"),
        ("wörker".encode(), "wörker"),
        (b"w\xff\xfe", "w\\xff\\xfe"),
        ("fünfzehnbytess\u00e9".encode()[:16], "fünfzehnbytess\\xc3"),
        (b"<script>\n'\"\x1b[0m", "<script>\n'\"\x1b[0m"),
    ],
)
def test_text_ends_at_the_first_nul_and_keeps_every_other_byte(raw: bytes, shown: str) -> None:
    assert one("fork", comm=raw)["comm"] == shown


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        (b"", []),
        (b"sh\0-c\0echo  a\0", ["sh", "-c", "echo  a"]),
        (b"grep\0\0file\0", ["grep", "", "file"]),
        (b"printf\0\0\0", ["printf", "", ""]),
        (b"\0", [""]),
        (b"cut\0off in the mid", ["cut", "off in the mid"]),
        (b"a\xff\0b\n\0", ["a\\xff", "b\n"]),
        (b"x" * 511, ["x" * 511]),
    ],
)
def test_a_command_line_becomes_its_arguments(line: bytes, argv: list[str]) -> None:
    assert one("exec", argv=line, argv_bytes=len(line))["argv"] == argv


def test_the_length_of_a_command_line_that_was_cut_does_not_reach_beyond_its_field() -> None:
    row = one("exec", argv=b"y" * 511, argv_bytes=1 << 31, argv_truncated=1)
    assert (row["argv"], row["argv_truncated"], row["argv_bytes"]) == (["y" * 511], True, 1 << 31)


def test_rows_keep_their_order_and_equal_texts_are_the_same() -> None:
    names = [b"a", b"b", b"a\0x", b"", b"b"] * 50
    rows = decoded("fork", *({"comm": name, "tgid": i} for i, name in enumerate(names)))
    assert [row["comm"] for row in rows] == ["a", "b", "a", "", "b"] * 50
    assert [row["tgid"] for row in rows] == list(range(250))


def test_torn_records_of_a_test_build_are_counted_and_their_counters_dropped() -> None:
    schema, stats = table_schema("switches"), Stats()
    reader = RingTable(schema, 24 + 16, selfcheck=True)
    payload = ring(
        "switches", [{"ts_ns": 0.1, "cpu": i} for i in range(4)], checks=[(1, 1), (2, 2), (3, 4), (0, 1 << 63)]
    )
    assert reader.check(payload) == 4
    batch = reader.decode(payload, Clock(OFFSET, TICK), stats, Cgroups())
    assert stats.torn == 2
    assert batch.schema.names == schema.names
    assert batch.column("cpu").to_pylist() == [0, 1, 2, 3]
