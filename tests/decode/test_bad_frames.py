"""Frames that break the contract end the stream; what came before is kept."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from streams import UTC, Elf, decode, hello, plan, ring, table

from santabpf import wire
from santabpf.decode import Batch, Decoder
from santabpf.units import SECOND


def switches(*at_s: float) -> bytes:
    return ring("switches", [{"ts_ns": s, "prev_tid": i, "next_tid": i + 1} for i, s in enumerate(at_s)])


def spans(batches: list[Batch], name: str = "switches") -> list[tuple[float, float, int, int]]:
    """Coverage of one table: end and span in seconds, rows, late."""
    rows = [row for row in table(batches, "coverage") if row["table"] == name]
    return [((r["ts_ns"] - UTC) / SECOND, r["span_ns"] / SECOND, r["rows"], r["late"]) for r in rows]


def gap(batches: list[Batch]) -> dict[str, Any]:
    (row,) = table(batches, "gaps")
    return row


def bad(*frames: bytes, the_plan: dict[str, Any] | None = None) -> str:
    decoder, batches = decode(the_plan or plan("switches", "runq"), *frames)
    assert decoder.ended is not None
    assert decoder.ended.startswith("bad_frame: ")
    if decoder.hello is None:
        assert batches == []
    else:
        assert gap(batches)["detail"] == decoder.ended.removeprefix("bad_frame: ")
    assert decoder.feed(b"more") == []
    assert decoder.finish() == []
    return decoder.ended


def test_data_before_the_hello_ends_the_stream() -> None:
    assert "ring came before the hello" in bad(Elf().ring(b"", 0.1))


def test_a_banner_on_the_way_is_no_frame() -> None:
    assert "starts with b'Last'" in bad(b"Last login: Fri May  1 12:00:00 2026 from 127.0.0.1\r\n")


def test_an_unknown_table_ends_the_stream() -> None:
    elf = Elf()
    assert "no ring with table id 9" in bad(elf.hello(), elf.ring(b"", 0.1, table=9))


def test_a_frame_of_the_wrong_kind_for_its_table_ends_the_stream() -> None:
    elf = Elf()
    assert "no map with table id 1" in bad(elf.hello(), elf.frame(wire.MAP, b"", 1, 0.1))


def test_a_second_hello_ends_the_stream() -> None:
    elf = Elf()
    assert "a second hello" in bad(elf.hello(), elf.hello())


def test_a_frame_after_the_goodbye_ends_the_stream() -> None:
    elf = Elf()
    assert "came after the goodbye" in bad(elf.hello(), elf.bye(), elf.tick(1.0))


def test_half_a_record_ends_the_stream() -> None:
    elf = Elf()
    assert "no multiple of 32" in bad(elf.hello(), elf.ring(switches(0.1)[:-8], 0.2))


@pytest.mark.parametrize("bits", [1 << 31, 1 << 30, 8])
def test_a_record_that_is_busy_discarded_or_of_another_size_ends_the_stream(bits: int) -> None:
    elf = Elf()
    records = bytearray(switches(0.1, 0.2, 0.3))
    records[32:36] = struct.pack("<I", 24 | bits if bits > 8 else 8)
    assert "switches: record 1 says" in bad(elf.hello(), elf.ring(bytes(records), 0.4))


def test_rows_of_good_frames_before_a_bad_one_are_kept() -> None:
    elf = Elf()
    decoder, batches = decode(plan("switches"), elf.hello(), elf.ring(switches(0.1, 0.2), 0.3), elf.ring(b"x", 0.4))
    assert len(table(batches, "switches")) == 2
    assert spans(batches) == [(0.3, 0.3, 2, 0)]
    assert decoder.ended is not None


def test_a_time_far_ahead_is_refused_and_not_waited_for() -> None:
    elf = Elf()
    assert "after all before it" in bad(elf.hello(), elf.ring(b"", 1e9))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "the hello's version is 2"),
        ({"clock": None}, "clock.mono_ns is None"),
        ({"clock": {"mono_ns": 1.5, "real_ns": 2, "error_ns": 0}}, "clock.mono_ns is '1.5', no whole number"),
        ({"clock": []}, "clock is no object"),
        ({"possible_cpus": 10**9}, "possible_cpus is 1000000000"),
        ({"armed_ns": 1 << 60}, "armed_ns is"),
        ({"clock_tick_hz": 0}, "clock_tick_hz is 0"),
        ({"tables": {"switches": {"id": 2}}}, "the hello's table 'switches' is not that of the plan"),
    ],
)
def test_a_hello_that_makes_no_sense_ends_the_stream(change: dict[str, Any], words: str) -> None:
    assert words in bad(Elf().frame(wire.HELLO, hello(**change)))


def test_deeply_nested_json_ends_the_stream() -> None:
    elf = Elf()
    assert "no JSON" in bad(elf.hello(), elf.frame(wire.TICK, b"[" * 200_000))


@pytest.mark.parametrize("reason", ["silence", "eof", "fatal"])
def test_an_elf_that_left_unasked_makes_a_gap(reason: str) -> None:
    elf = Elf()
    decoder, batches = decode(plan("switches"), elf.hello(), elf.bye(reason), finish="stopped")
    assert decoder.ended == f"stopped: the elf ended by itself: {reason}"
    assert gap(batches)["reason"] == "stopped"


def test_a_plan_that_differs_from_the_columns_is_refused_at_once() -> None:
    wrong = plan("switches", "runq")
    wrong["probes"][0]["tables"][0]["record_bytes"] = 32
    with pytest.raises(ValueError, match="the plan says 32 bytes a record, its columns make 24"):
        Decoder(wrong, "node-1")
