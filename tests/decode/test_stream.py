from __future__ import annotations

import pytest
from streams import MONO, UTC, Elf, decode, plan, ring, table

from santabpf import wire
from santabpf.decode import Decoder
from santabpf.probes.procfs import Facts
from santabpf.units import MS, SECOND


def switches(*at_s: float) -> bytes:
    return ring("switches", [{"ts_ns": s, "prev_tid": i, "next_tid": i + 1} for i, s in enumerate(at_s)])


def test_a_whole_stream_gives_its_rows_its_coverage_and_no_gap() -> None:
    elf = Elf()
    decoder, batches = decode(
        plan("switches"),
        elf.hello(armed_ns=MONO + SECOND // 4), elf.ring(switches(0.3, 0.9), 0.95), elf.tick(1.001),
        elf.ring(switches(1.5), 1.6), elf.ring(b"", 2.002), elf.tick(2.003), elf.ring(b"", 2.5), elf.bye(),
    )  # fmt: skip
    assert [row["ts_ns"] - UTC for row in table(batches, "switches")] == [300 * MS, 900 * MS, 1500 * MS]
    coverage = [(r["ts_ns"] - UTC, r["span_ns"], r["rows"], r["late"]) for r in table(batches, "coverage")]
    assert coverage == [(SECOND, 750 * MS, 2, 0), (2 * SECOND, SECOND, 1, 0), (2500 * MS, 500 * MS, 0, 0)]
    assert table(batches, "gaps") == []
    assert decoder.ended is None
    assert decoder.closed_until_ns == UTC + 3 * SECOND
    assert (decoder.stats.rows, decoder.stats.late, decoder.stats.frames) == (3, 0, 8)
