from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import MONO, UTC, Elf, decode, plan, ring, table

from santabpf import wire
from santabpf.decode import Batch, Decoder
from santabpf.units import MS, SECOND

GOLDEN = Path(__file__).parent / "golden"
GOOD = (GOLDEN / "good.frames").read_bytes()
GOLDEN_PLAN = json.loads((GOLDEN / "plan.json").read_text())
EVERYTHING = ("exec", "exit", "fork", "metrics", "process_cpu", "processes", "runq", "switches")


def switches(*at_s: float) -> bytes:
    return ring("switches", [{"ts_ns": s, "prev_tid": i, "next_tid": i + 1} for i, s in enumerate(at_s)])


def spans(batches: list[Batch], name: str = "switches") -> list[tuple[float, float, int, int]]:
    """Coverage of one table: end and span in seconds, rows, late."""
    rows = [row for row in table(batches, "coverage") if row["table"] == name]
    return [((r["ts_ns"] - UTC) / SECOND, r["span_ns"] / SECOND, r["rows"], r["late"]) for r in rows]


def gap(batches: list[Batch]) -> dict[str, Any]:
    (row,) = table(batches, "gaps")
    return row


def test_a_whole_stream_gives_its_rows_its_coverage_and_no_gap() -> None:
    elf = Elf()
    decoder, batches = decode(
        plan("switches"),
        elf.hello(armed_ns=MONO + SECOND // 4), elf.ring(switches(0.3, 0.9), 0.95), elf.tick(1.001),
        elf.ring(switches(1.5), 1.6), elf.ring(b"", 2.002), elf.tick(2.003), elf.ring(b"", 2.5), elf.bye(),
    )  # fmt: skip
    assert [row["ts_ns"] - UTC for row in table(batches, "switches")] == [300 * MS, 900 * MS, 1500 * MS]
    assert spans(batches) == [(1.0, 0.75, 2, 0), (2.0, 1.0, 1, 0), (2.5, 0.5, 0, 0)]
    assert table(batches, "gaps") == []
    assert decoder.ended is None
    assert decoder.closed_until_ns == UTC + 3 * SECOND
    assert (decoder.stats.rows, decoder.stats.late, decoder.stats.frames) == (3, 0, 8)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, len(GOOD) - 1), max_size=30))
def test_pieces_of_any_size_give_the_same_batches(cuts: list[int]) -> None:
    whole, parts = Decoder(GOLDEN_PLAN, "node-1"), Decoder(GOLDEN_PLAN, "node-1")
    edges = [0, *sorted(cuts), len(GOOD)]
    got = [b for a, z in pairwise(edges) for b in parts.feed(GOOD[a:z])] + parts.finish()
    wanted = whole.feed(GOOD) + whole.finish()
    assert [(b.table, b.rows) for b in got] == [(b.table, b.rows) for b in wanted]
    assert parts.stats == whole.stats


def test_a_second_closes_with_the_tick_when_the_slowest_table_has_passed_it() -> None:
    elf, decoder = Elf(), Decoder(plan("switches", "exit"), "node-1")
    assert decoder.closed_until_ns == 0
    decoder.feed(elf.hello())
    assert decoder.feed(elf.ring(switches(0.5), 1.1)) == []
    decoder.feed(elf.tick(1.2))
    assert decoder.closed_until_ns == 0
    assert decoder.feed(elf.ring(b"", 1.3, table=2)) == []
    assert decoder.closed_until_ns == 0, "the paths of cgroups come before the tick"
    out = decoder.feed(elf.tick(2.0))
    assert decoder.closed_until_ns == UTC + SECOND
    assert [batch.table for batch in out] == ["switches", "loss", "clock", "coverage"]
    decoder.feed(elf.ring(b"", 5.5, table=2) + elf.ring(b"", 5.6))
    assert decoder.closed_until_ns == UTC + SECOND, "what the elf says of the second has not come"
    decoder.feed(elf.tick(5.001))
    assert decoder.closed_until_ns == UTC + 5 * SECOND


def test_rows_of_a_closed_second_are_kept_and_counted_as_late() -> None:
    elf = Elf()
    decoder, batches = decode(
        plan("switches"), elf.hello(), elf.ring(switches(0.5), 1.1), elf.tick(1.0),
        elf.ring(switches(0.9, 1.5, 0.99), 1.6), elf.ring(b"", 2.0), elf.tick(2.0), elf.bye(),
    )  # fmt: skip
    assert len(table(batches, "switches")) == 4
    assert spans(batches) == [(1.0, 1.0, 1, 0), (2.0, 1.0, 1, 2)]
    assert decoder.stats.late == 2


def test_late_rows_after_the_last_watermark_are_not_forgotten() -> None:
    elf = Elf()
    _, batches = decode(
        plan("switches"), elf.hello(), elf.ring(b"", 1.0), elf.tick(1.0), elf.ring(switches(0.5), 1.0), elf.bye()
    )
    assert spans(batches) == [(1.0, 1.0, 0, 0), (1.0, 0.0, 0, 1)]


def test_many_rows_do_not_wait_for_their_second_to_close() -> None:
    elf, decoder = Elf(), Decoder(plan("switches"), "node-1")
    decoder.feed(elf.hello())
    payload = switches(0.5) * 100_000
    assert decoder.feed(elf.ring(payload, 0.6)) == []
    (batch,) = decoder.feed(elf.ring(payload, 0.7))
    assert batch.rows.num_rows == 200_000


def test_a_processes_table_has_one_coverage_row_and_holds_nothing_up() -> None:
    elf = Elf()
    files = {"1/stat": stat_of(1), "1/cmdline": b"/sbin/init\0"}
    _, batches = decode(
        plan("processes", "switches"), elf.hello(), elf.frame(wire.PROC, wire.pack_files(files), 1, 0.1),
        elf.ring(switches(0.5), 1.0, 2), elf.tick(1.0), elf.ring(b"", 2.0, 2), elf.tick(2.0), elf.bye(),
    )  # fmt: skip
    assert [row["argv"] for row in table(batches, "processes")] == [["/sbin/init"]]
    assert spans(batches, "processes") == [(0.1, 0.0, 1, 0)]
    assert spans(batches) == [(1.0, 1.0, 1, 0), (2.0, 1.0, 0, 0)]


def stat_of(pid: int, utime: int = 0) -> bytes:
    head = f"{pid} (init) S 0 {pid} {pid} 0 -1 4194304 0 0 0 0 {utime} 0 0 0 20 0 1 0 7 4096 10"
    return (head + " 18446744073709551615" + " 0" * 27).encode()


def test_a_failed_probe_has_a_gap_for_each_of_its_tables_and_no_coverage() -> None:
    elf = Elf()
    _, batches = decode(
        plan("runq", "switches"), elf.hello(probes={"runq": {"state": "failed", "why": "no such tracepoint"}}),
        elf.ring(switches(0.5), 1.0, 3), elf.tick(1.0), elf.bye(),
    )  # fmt: skip
    gaps = [(row["ts_ns"], row["end_ns"], row["table"], row["reason"], row["detail"]) for row in table(batches, "gaps")]
    assert gaps == [(UTC, None, name, "probe_failed", "no such tracepoint") for name in ("runq", "runq_hist")]
    assert {row["table"] for row in table(batches, "coverage")} == {"switches"}


def test_a_probe_that_dies_is_covered_until_then_and_holds_nothing_up() -> None:
    elf = Elf()
    trouble = {"code": "probe_failed", "message": "The ring is gone.", "probe": "fork", "fatal": False}
    _, batches = decode(
        plan("switches", "fork"), elf.hello(), elf.ring(b"", 1.0), elf.ring(b"", 0.75, 2),
        elf.frame(wire.TROUBLE, trouble), elf.tick(1.0, dead_probes=["fork"]),
        elf.ring(b"", 2.0), elf.tick(2.0, dead_probes=["fork"]), elf.bye(),
    )  # fmt: skip
    gaps = [(row["ts_ns"] - UTC, row["table"], row["detail"]) for row in table(batches, "gaps")]
    assert gaps == [(750 * MS, "fork", "The ring is gone."), (0, "fork_failed", "The ring is gone.")]
    assert spans(batches, "fork") == [(0.75, 0.75, 0, 0)]
    assert spans(batches) == [(1.0, 1.0, 0, 0), (2.0, 1.0, 0, 0)]


def test_loss_is_a_row_where_something_was_lost_and_null_where_the_kernel_cannot_tell() -> None:
    elf = Elf()

    def lost(reserve: int, missed: int | None) -> dict[str, Any]:
        programs = {"switches/sched_switch": {"runs": 1, "run_ns": 1, "missed": missed}}
        return {"loss": {"switches": {"reserve_failed": reserve}}, "programs": programs}

    _, batches = decode(
        plan("switches", "fork"), elf.hello(), elf.tick(1.0, **lost(0, 0)), elf.tick(2.0, **lost(5, 0)),
        elf.tick(3.0, **lost(5, 3)), elf.tick(4.0, **lost(2, 3)), elf.bye(),
    )  # fmt: skip
    rows = [(r["ts_ns"] - UTC, r["table"], r["reserve_failed"], r["prog_missed"]) for r in table(batches, "loss")]
    assert rows == [
        (1 * SECOND, "fork", 0, None),  # no word of its programs: it can't be told
        (2 * SECOND, "switches", 5, 0),
        (3 * SECOND, "switches", 0, 3),
        (4 * SECOND, "switches", 2, 0),  # the counter went back, so it started anew
    ]


def test_what_programs_missed_is_shown_on_the_first_table_only() -> None:
    elf = Elf()
    programs = {f"runq/{name}": {"missed": n} for name, n in (("sched_switch", 4), ("sched_wakeup", None))}
    loss = {"runq_hist": {"map_full": 1}}
    _, batches = decode(plan("runq"), elf.hello(), elf.tick(1.0, programs=programs, loss=loss), elf.bye())
    assert [(r["table"], r["map_full"], r["prog_missed"]) for r in table(batches, "loss")] == [
        ("runq", 0, 4), ("runq_hist", 1, 0),
    ]  # fmt: skip


def test_the_receipt_holds_what_each_part_cost_in_each_second() -> None:
    elf = Elf()

    def cost(n: int) -> dict[str, Any]:
        elf_part = {"user_ns": n * 10, "system_ns": n * 20, "private_bytes": 5_000 + n, "sent_bytes": n * 1000}
        compiler = {"user_ns": 77, "system_ns": 7, "private_bytes": 0, "sent_bytes": 0}
        programs = {
            "switches/a": {"runs": n, "run_ns": n * 3, "missed": 0},
            "switches/b": {"runs": None, "run_ns": None},
        }
        return {"parts": {"elf": elf_part, "compiler": compiler}, "programs": programs}

    _, batches = decode(plan("switches"), elf.hello(), elf.tick(1.0, **cost(4)), elf.tick(2.0, **cost(7)), elf.bye())
    rows = table(batches, "receipt")
    assert [row["part"] for row in rows] == ["elf", "compiler", "program:switches/a", "elf", "program:switches/a"]
    own = [(r["user_ns"], r["system_ns"], r["private_bytes"], r["sent_bytes"]) for r in rows if r["part"] == "elf"]
    assert own == [(40, 80, 5004, 4000), (30, 60, 5007, 3000)]
    assert [(r["runs"], r["run_ns"]) for r in rows if r["part"] == "program:switches/a"] == [(4, 12), (3, 9)]


def test_a_step_of_the_nodes_clock_is_a_gap_and_a_new_epoch_but_times_keep_the_first_offset() -> None:
    elf = Elf()
    _, batches = decode(
        plan("switches"), elf.hello(), elf.tick(1.0), elf.tick(2.0, real_ns=UTC + 2 * SECOND + 90 * MS),
        elf.tick(3.0, real_ns=UTC + 5 * SECOND), elf.tick(4.0, real_ns=UTC + 6 * SECOND),
        elf.ring(switches(4.5), 4.6), elf.bye(),
    )  # fmt: skip
    clock = table(batches, "clock")
    assert [row["epoch"] for row in clock] == [0, 0, 0, 1, 1]
    assert [row["offset_ns"] - (UTC - MONO) for row in clock] == [0, 0, 90 * MS, 2 * SECOND, 2 * SECOND]
    row = gap(batches)
    assert (row["ts_ns"] - UTC, row["end_ns"] - UTC, row["reason"]) == (2 * SECOND, 3 * SECOND, "clock_step")
    assert "+2.000 s" in row["detail"]
    assert table(batches, "switches")[0]["ts_ns"] == UTC + 4500 * MS


def test_a_late_reading_of_the_clock_is_no_step() -> None:
    elf = Elf()
    _, batches = decode(
        plan("switches"), elf.hello(), elf.tick(1.0, real_ns=UTC + SECOND + 300 * MS, error_ns=250 * MS), elf.bye()
    )
    assert table(batches, "gaps") == []


@pytest.mark.parametrize(("rtt_ns", "offset_ns", "error_ns"), [(40 * MS, 5 * MS, 20 * MS), (None, -15 * MS, None)])
def test_the_nodes_clock_is_compared_with_santas_to_half_the_round_trip(
    rtt_ns: int | None, offset_ns: int, error_ns: int | None
) -> None:
    elf, decoder = Elf(), Decoder(plan("switches"), "node-1")
    # the node is 5 ms ahead and its frames take 20 ms to Santa
    # the ping was heard 300 ms before the tick, and sent as long as the whole trip takes before that
    pings = [] if rtt_ns is None else [1, UTC + SECOND + 15 * MS - 300 * MS - rtt_ns]
    data = elf.hello() + elf.tick(1.0, ping=[2, MONO + SECOND - 300 * MS])
    decoder.feed(data, received_ns=UTC + SECOND + 15 * MS, pings=pings)
    (row,) = [row for row in table(decoder.finish(), "clock") if row["against"] == "santa"]
    assert (row["offset_ns"], row["error_ns"]) == (offset_ns, error_ns)
