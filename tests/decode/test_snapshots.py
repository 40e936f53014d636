from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from streams import CPUS, OFFSET, UTC, Elf, decode, plan, table

from santabpf import wire
from santabpf.decode.columns import Stats
from santabpf.decode.snapshots import MapTable
from santabpf.decode.times import Clock, Readings, Span, edge
from santabpf.probes import get_probe
from santabpf.units import MS, SECOND
from santabpf.wire import BadFrame

HIST = get_probe("runq").tables[1]
Counts = dict[int, list[tuple[int, int]]]  # slot -> (waits, sum) of each CPU


def entries(counts: Counts) -> bytes:
    out = b""
    for slot, cpus in counts.items():
        values = cpus + [(0, 0)] * (CPUS - len(cpus))
        out += struct.pack("<II", slot, 0xDEAD) + b"".join(struct.pack("<QQ", *pair) for pair in values)
    return out


def read(*readings: tuple[float, Counts]) -> list[list[dict[str, Any]]]:
    reader, stats, out = MapTable(HIST, 4, 16), Stats(), []
    for at_s, counts in readings:
        batch = reader.read(entries(counts), UTC + round(at_s * SECOND), CPUS, Clock(OFFSET, 1), stats)
        out.append([] if batch is None else batch.to_pylist())
    return out


def values(rows: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    return [(row["wait_ns"], row["waits"], row["wait_sum_ns"]) for row in rows]


def test_a_map_gives_what_all_cpus_added_since_the_reading_before() -> None:
    first, second, third = read(
        (0.4, {3: [(1, 9)], 5: [(2, 70)]}),
        (1.001, {3: [(1, 9)], 5: [(2, 70), (1, 40), (0, 0), (3, 100)]}),
        (2.001, {3: [(2, 17)], 5: [(4, 140), (1, 40), (0, 0), (3, 100)]}),
    )
    assert first == [], "the first is a baseline"
    assert values(second) == [(32, 4, 140)], "what did not grow gives no row"
    assert values(third) == [(8, 1, 8), (32, 2, 70)]
    assert [(row["ts_ns"] - UTC, row["span_ns"]) for row in second + third] == [
        (SECOND, 600 * MS), (2 * SECOND, SECOND), (2 * SECOND, SECOND),
    ]  # fmt: skip


def test_a_key_that_is_new_counts_from_zero_and_one_that_went_back_anew() -> None:
    _, second, third = read(
        (0.0, {3: [(9, 90)]}), (1.0, {3: [(9, 90)], 4: [(2, 20)]}), (2.0, {3: [(1, 10)], 4: [(2, 20)]})
    )
    assert values(second) == [(16, 2, 20)]
    assert values(third) == [(8, 1, 10)]


def test_a_reading_in_several_frames_is_one_reading() -> None:
    parts = read(
        (0.0, {3: [(1, 1)]}), (0.0, {4: [(1, 1)]}), (1.0, {3: [(2, 2)]}), (1.0, {4: [(3, 5)]}), (2.0, {4: [(3, 6)]})
    )
    assert [values(rows) for rows in parts] == [[], [], [(8, 1, 1)], [(16, 2, 4)], [(16, 0, 1)]]
    assert {(row["ts_ns"] - UTC, row["span_ns"]) for row in parts[2] + parts[3]} == {(SECOND, SECOND)}


def test_a_key_that_was_taken_out_counts_from_zero_when_it_comes_back() -> None:
    _, _, taken_out, back = read(
        (0.0, {}), (1.0, {3: [(5, 50)]}), (1.0, {3: [(0, 0)]}), (2.0, {3: [(7, 60)]})
    )  # fmt: skip
    assert taken_out == []
    assert values(back) == [(8, 7, 60)], "more than it had, and all of it new"


def test_sums_over_cpus_never_wrap() -> None:
    _, rows = read((0.0, {}), (1.0, {3: [((1 << 64) - 1, 1 << 62)] * CPUS, 4: [(1 << 61, 5)] * 3}))
    top = (1 << 63) - 1
    assert values(rows) == [(8, top, top), (16, 3 << 61, 15)]


def test_a_slot_beyond_the_last_is_the_longest_wait_that_can_be_told() -> None:
    _, rows = read((0.0, {}), (1.0, {0: [(1, 0)], 62: [(1, 1)], 4_000_000_000: [(1, 1)]}))
    assert [row["wait_ns"] for row in rows] == [1, 1 << 62, 1 << 62]


def test_an_entry_that_is_cut_is_a_bad_frame() -> None:
    with pytest.raises(BadFrame, match=f"no multiple of {8 + CPUS * 16}"):
        MapTable(HIST, 4, 16).read(bytes(71), UTC, CPUS, Clock(OFFSET, 1), Stats())


# ---------------------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("at_ns", "wanted_ns"),
    [
        (UTC, UTC),
        (UTC + 50 * MS, UTC),
        (UTC + 50 * MS + 1, UTC + 50 * MS + 1),
        (UTC - 50 * MS, UTC),
        (UTC - 51 * MS, UTC - 51 * MS),
    ],
)
def test_a_reading_near_a_second_edge_stands_for_it(at_ns: int, wanted_ns: int) -> None:
    assert edge(at_ns) == wanted_ns


def test_spans_follow_each_other_without_hole_or_overlap() -> None:
    readings, at_ns = Readings(), [UTC + ms * MS for ms in (10, 990, 995, 1020, 1700, 2030, 2031, 5049)]
    spans = [readings.at(ns) for ns in at_ns]
    assert spans[0] == Span(at_ns[0], 0)
    for before, span in pairwise(spans):
        assert span.span_ns > 0
        assert span.ts_ns - span.span_ns == before.ts_ns
    assert [(span.ts_ns - UTC) / MS for span in spans] == [10, 1000, 1000.000001, 1020, 1700, 2000, 2031, 5000]


def test_readings_that_run_back_in_time_are_a_bad_frame() -> None:
    readings = Readings(UTC)
    with pytest.raises(BadFrame, match="1 ns older"):
        readings.at(UTC - 1)


# ----------------------------------------------------------------------------------------------------------- proc


def stat(pid: int, utime: int, start: int = 77) -> bytes:
    head = f"{pid} (job) R 1 {pid} {pid} 0 -1 4194304 0 0 0 0 {utime} 0 0 0 20 0 1 0 {start} 4096 10"
    return (head + " 18446744073709551615" + " 0" * 27).encode()


def cpu(*readings: dict[str, bytes]) -> list[tuple[float, int, int]]:
    elf = Elf()
    frames = [elf.hello()]
    frames += [elf.frame(wire.PROC, wire.pack_files(files), 1, float(i)) for i, files in enumerate(readings)]
    decoder, batches = decode(plan("process_cpu"), *frames, elf.bye())
    assert decoder.ended is None
    rows = table(batches, "process_cpu")
    return [((row["ts_ns"] - UTC) / SECOND, row["tgid"], row["user_ns"] // (10 * MS)) for row in rows]


def test_a_process_that_was_idle_for_a_while_is_still_known() -> None:
    assert cpu({"5/stat": stat(5, 100)}, {}, {}, {"5/stat": stat(5, 130)}) == [(3.0, 5, 30)]


def test_a_process_born_between_two_readings_is_not_shown_until_it_is_in_both() -> None:
    assert cpu({}, {"5/stat": stat(5, 40)}, {"5/stat": stat(5, 45)}) == [(2.0, 5, 5)]


def test_a_number_that_was_given_to_another_process_is_another_process() -> None:
    assert cpu({"5/stat": stat(5, 10)}, {"5/stat": stat(5, 60, start=99)}, {"5/stat": stat(5, 61, start=99)}) == [
        (2.0, 5, 1)
    ]


def test_an_empty_file_says_that_the_process_is_gone() -> None:
    assert cpu({"5/stat": stat(5, 10)}, {"5/stat": b""}, {"5/stat": stat(5, 60)}, {"5/stat": stat(5, 61)}) == [
        (3.0, 5, 1)
    ]


def test_the_node_is_one_row_a_second_and_what_it_lacks_is_null() -> None:
    elf = Elf()
    readings = [{"/proc/stat": b"cpu  %d 0 0 0 0 0 0 0 0 0\nctxt %d\n" % (n, n * 1000)} for n in (5, 55)]
    frames = [elf.hello()]
    frames += [elf.frame(wire.PROC, wire.pack_files(files), 1, float(i)) for i, files in enumerate(readings)]
    _, batches = decode(plan("metrics"), *frames, elf.tick(1.0), elf.bye())
    (row,) = table(batches, "metrics")
    assert (row["ts_ns"], row["span_ns"]) == (UTC + SECOND, SECOND)
    assert (row["cpu_user_ns"], row["context_switches"]) == (500 * MS, 50_000)
    assert row["pressure_io_full_ns"] is None
    assert [(r["ts_ns"] - UTC, r["rows"]) for r in table(batches, "coverage")] == [(SECOND, 1)]


def test_a_reading_of_proc_that_ends_in_the_middle_of_a_file_is_a_bad_frame() -> None:
    elf = Elf()
    decoder, _ = decode(
        plan("metrics"), elf.hello(), elf.frame(wire.PROC, wire.pack_files({"/proc/stat": b"cpu"})[:-1], 1)
    )
    assert decoder.ended == "bad_frame: a proc frame ends in the middle of a file"
