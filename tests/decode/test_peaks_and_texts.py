"""Values of maps that are no counts: the largest so far, and a name; and numbers of system calls as names."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streams import CPUS, OFFSET, UTC

from santabpf.decode import syscalls
from santabpf.decode.columns import INT64_MAX, Stats, to_arrow
from santabpf.decode.snapshots import MapTable
from santabpf.decode.times import Clock
from santabpf.errors import BadScenario
from santabpf.probes import Table, load_probe
from santabpf.schema import Column, Schema
from santabpf.units import SECOND

TABLE = Table(
    "calls",
    "map",
    Schema(
        "calls",
        "One row is one key.",
        (
            Column("ts_ns", None, "clock", "ns", "UTC"),
            Column("span_ns", None, "number", "ns", "its length"),
            Column("slot", "u64", "number", "id", "the key", key=True),
            Column("calls", "u64", "number", "count", "how many", cumulative=True),
            Column("max_ns", "u64", "number", "ns", "the longest", peak=True),
            Column("name", "char[8]", "text", "none", "a name"),
        ),
    ),
)
Cpu = tuple[int, int, bytes]


def entry(slot: int, *cpus: Cpu) -> bytes:
    values = list(cpus) + [(0, 0, b"")] * (CPUS - len(cpus))
    return struct.pack("<Q", slot) + b"".join(struct.pack("<QQ8s", *value) for value in values)


def read(*payloads: bytes) -> list[list[dict[str, Any]]]:
    reader, out = MapTable(TABLE, 8, 24), []
    for at, payload in enumerate(payloads):
        batch = reader.read(payload, UTC + at * SECOND, CPUS, Clock(OFFSET, 1), Stats())
        out.append([] if batch is None else batch.to_pylist())
    return out


def test_a_peak_is_the_largest_of_all_cpus_and_no_difference() -> None:
    _, second, third = read(b"", entry(7, (1, 50, b""), (2, 90, b"")), entry(7, (1, 50, b""), (5, 90, b"")))
    assert [(r["calls"], r["max_ns"]) for r in second] == [(3, 90)]
    assert [(r["calls"], r["max_ns"]) for r in third] == [(3, 90)], "as it was, though calls grew"


def test_a_peak_that_fits_no_signed_number_is_the_largest_one() -> None:
    _, rows = read(b"", entry(7, (1, (1 << 64) - 1, b""), (1, 5, b"")))
    assert rows[0]["max_ns"] == INT64_MAX


def test_a_text_is_that_of_the_first_cpu_that_has_one_up_to_its_nul() -> None:
    _, rows = read(b"", entry(7, (0, 0, b""), (1, 1, b"sh\0left")))
    assert rows[0]["name"] == "sh"
    _, rows = read(b"", entry(7, (1, 1, b"")))
    assert rows[0]["name"] == ""


def test_only_counts_make_a_row() -> None:
    _, second, third = read(b"", entry(7, (1, 5, b"a")), entry(7, (1, 9, b"b")))
    assert len(second) == 1
    assert third == [], "the name and the peak changed, but nothing was counted"


def test_a_call_has_the_name_of_its_machine() -> None:
    column = Column("call", "u32", "syscall", "none", "d")
    numbers = np.array([1 << 16 | 0, 2 << 16 | 63, 1 << 16 | 462, 2 << 16 | 462, 3 << 16 | 4, 1 << 16 | 4095], "<u4")
    names = to_arrow(column, numbers, Clock(0, 1), Stats()).to_pylist()
    assert names == ["read", "read", "mseal", "mseal", "32-bit 4", "4095"]


@pytest.mark.parametrize(
    ("machine", "number", "name"),
    [(1, 334, "rseq"), (1, 231, "exit_group"), (1, 424, "pidfd_send_signal"), (1, 469, "file_setattr"),
     (2, 293, "rseq"), (2, 243, "recvmmsg"), (2, 244, "244"), (2, 260, "wait4"), (2, 94, "exit_group")],
)  # fmt: skip
def test_the_tables_have_their_numbers_at_the_right_place(machine: int, number: int, name: str) -> None:
    assert syscalls.name(machine << 16 | number) == name


PROBE = """
name: calls
summary: Calls.
attach: []
cost: none
kernels: all
sources: [none]
tables:
  calls:
    source: map
    entries: 16
    description: One row is one key.
    columns:
      - {name: ts_ns, kind: clock, unit: ns, description: "UTC"}
      - {name: slot, c: u64, key: true, unit: id, description: "the key"}
"""


@pytest.mark.parametrize(
    ("value", "words"),
    [("{name: max_ns, c: u64, unit: ns, peak: true, description: d}", "one value of a map must be `cumulative"),
     ("{name: n, c: u64, unit: count, description: d}", "or a `peak: true`, or a text")],
)  # fmt: skip
def test_a_map_needs_a_count_and_says_what_its_other_values_are(tmp_path: Path, value: str, words: str) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "probe.yaml").write_text(f"{PROBE}      - {value}\n")
    with pytest.raises(BadScenario, match=words):
        load_probe(folder)


def test_a_count_of_which_one_cpu_says_that_it_is_not_known_is_null() -> None:
    columns = (*TABLE.schema.columns[:3], Column("seen", "u64", "number", "count", "?", INT64_MAX * 2 + 1, False, True),
               Column("done", "u32", "number", "count", "?", None, False, True))  # fmt: skip
    reader = MapTable(Table("calls", "map", Schema("calls", "One row is one key.", columns)), 8, 12)
    unknown = (1 << 64) - 1

    def payload(*cpus: tuple[int, int]) -> bytes:
        values = list(cpus) + [(0, 0)] * (CPUS - len(cpus))
        return struct.pack("<Q", 7) + b"".join(struct.pack("<QI4x", *value) for value in values)

    found = []
    for at, cpus in enumerate([[(3, 1)], [(5, 2)], [(unknown, 2), (5, 3)], [(unknown, 9)], [(6, 9)]]):
        batch = reader.read(payload(*cpus), UTC + at * SECOND, CPUS, Clock(OFFSET, 1), Stats())
        found.append([(row["seen"], row["done"]) for row in batch.to_pylist()] if batch else [])
    assert found == [[], [(2, 1)], [(None, 3)], [(None, 4)], [(6, 0)]]


@pytest.mark.parametrize(
    ("value", "words"),
    [("{name: n, c: u64, unit: count, unknown: 0, cumulative: true, description: d}", "a count starts at 0"),
     ("{name: n, c: u64, unit: count, cumulative: true, description: d}\n    snapshot: true", "what stands now")],
)  # fmt: skip
def test_what_a_map_can_not_mean_is_refused(tmp_path: Path, value: str, words: str) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "probe.yaml").write_text(f"{PROBE}      - {value}\n")
    with pytest.raises(BadScenario, match=words):
        load_probe(folder)
