"""The receipt: cost and loss, with what is not known kept apart from zero."""

from __future__ import annotations

import re

import pyarrow as pa
from synthetic import START, S, tables

from santabpf.charts import receipt
from santabpf.display import Words

OWN = ("receipt", "loss", "coverage", "gaps")


def read() -> receipt.Info:
    t = tables(jobs=0)
    clock = pa.table({"ts_ns": [START], "against": ["node"], "offset_ns": [1], "error_ns": [1500], "epoch": [0]})
    return receipt.info(**{name: t[name] for name in OWN}, clock=clock)


def test_costs_are_sums_and_memory_is_the_most() -> None:
    elf, program = read().costs
    assert (elf.part, elf.cpu_ns, elf.cpu_ratio, elf.private_bytes, elf.sent_bytes) == (
        "elf", 150_000_000, 0.005, 6 << 20, 1_200_000)
    assert (program.part, program.cpu_ns, program.runs, program.private_bytes) == (
        "program:exec/on_exec", 2_700_000, 600, None)


def test_what_this_kernel_cannot_tell_is_not_zero() -> None:
    kept = read().kept[0]
    assert (kept.table, kept.rows) == ("exec", 600)
    assert kept.lost == {"reserve_failed": 23, "map_full": 0, "prog_missed": None, "buffer_dropped": 0}
    text = str(Words(*receipt.blocks(read())))
    assert "Events lost: 23" in text
    assert "? means that this kernel does not count it" in text


def test_gaps_and_the_clocks_error_are_told() -> None:
    info = read()
    assert info.gaps == ((START + 20 * S, START + 21 * S, "exec", "bad_frame", "a frame was cut"),)
    text = str(Words(*receipt.blocks(info)))
    assert "± 1.5 µs" in text
    assert "bad frame" in text


def test_no_tables_give_sentences_that_say_so() -> None:
    text = str(Words(*receipt.blocks(receipt.info())))
    assert "no receipt" in text
    assert "no coverage" in text


def test_the_programs_of_a_probe_are_shown_as_one_part() -> None:
    rows = [
        {"ts_ns": 1, "span_ns": 10**9, "part": part, "user_ns": None, "system_ns": None, "private_bytes": None,
         "sent_bytes": None, "runs": runs, "run_ns": ns}
        for part, runs, ns in (("program:security/a", 3, 5_000_000), ("program:security/b", 4, 7_000_000),
                               ("program:exec/a", None, None))
    ]  # fmt: skip
    told = receipt.info(pa.Table.from_pylist(rows))
    assert len(told.costs) == 3
    text = "\n".join(block.text() for block in receipt.blocks(told))
    assert re.search(r"BPF programs of security\s.*12 ms\s.*7\b", text), text
    assert "security/a" not in text
