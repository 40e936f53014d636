"""Perf's records of mapped files to rows, and records that no kernel wrote to refusals."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from santabpf.decode.mappings import read_mappings
from santabpf.decode.times import Clock
from santabpf.elf import mappings
from santabpf.wire import BadFrame

CLOCK = Clock(1_000, 1)
ID = bytes(range(1, 21))


def record(kind: int, body: bytes, flags: int = 0, time_ns: int = 77) -> bytes:
    return struct.pack("<IHH", kind, flags, 8 + len(body) + 8) + body + struct.pack("<Q", time_ns)


def mmap2(path: bytes, build_id: bytes = ID, size: int | None = None) -> bytes:
    which = struct.pack("<BBH20s", len(build_id) if size is None else size, 0, 0, build_id)
    name = path + b"\0" * (8 - len(path) % 8)
    body = struct.pack("<IIQQQ24sII", 12, 13, 0x1000, 0x2000, 0x3000, which, 4, 0) + name
    return record(10, body, 1 << 14)


def test_a_mapping_a_fork_and_lost_records() -> None:
    fork, thread = (record(7, struct.pack("<IIIIQ", *pids, 0)) for pids in ((20, 12, 20, 13), (12, 12, 21, 12)))
    lost, exit_ = record(2, struct.pack("<QQ", 0, 23)), record(4, struct.pack("<IIIIQ", 1, 1, 1, 1, 0))
    rows, missing = read_mappings(mmap2(b"/bin/\xff") + fork + thread + lost + exit_, CLOCK)
    assert missing == 23
    assert rows.to_pylist() == [
        {"ts_ns": 1_077, "tgid": 12, "start_ns": None, "address": 0x1000, "length_bytes": 0x2000,
         "offset_bytes": 0x3000, "path": "/bin/\\xff", "build_id": ID.hex(), "forked_from": None},
        {"ts_ns": 1_077, "tgid": 20, "start_ns": None, "address": None, "length_bytes": None, "offset_bytes": None,
         "path": None, "build_id": None, "forked_from": 12},
    ]  # fmt: skip


def test_a_short_build_id_is_filled_up_as_the_kernel_does_and_a_wrong_one_is_null() -> None:
    rows, _ = read_mappings(mmap2(b"/a", ID[:8]) + mmap2(b"/b", ID, 0) + mmap2(b"/c", ID, 21), CLOCK)
    assert rows["build_id"].to_pylist() == [ID[:8].hex() + "00" * 12, None, None]


@pytest.mark.parametrize("bad", [b"\0" * 7, struct.pack("<IHH", 10, 0, 8), struct.pack("<IHH", 10, 0, 24) + bytes(8),
                                 struct.pack("<IHH", 10, 0, 17) + bytes(9)])  # fmt: skip
def test_a_record_that_does_not_fit_is_a_bad_frame(bad: bytes) -> None:
    with pytest.raises(BadFrame):
        read_mappings(mmap2(b"/a") + bad, CLOCK)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        rows, lost = read_mappings(data, CLOCK)
    except BadFrame:
        return
    assert rows.num_rows >= 0
    assert lost >= 0


def test_what_proc_says_has_the_form_of_perfs_own_records() -> None:
    made = mappings._record(12, 0x1000, 0x2000, 0x3000, ID, b"/bin/x")
    made += mappings._record(13, 0, 1, 0, b"", b"//anon")
    rows, _ = read_mappings(made, CLOCK)
    assert [(r["tgid"], r["address"], r["path"], r["build_id"]) for r in rows.to_pylist()] == [
        (12, 0x1000, "/bin/x", ID.hex()), (13, 0, "//anon", None),
    ]  # fmt: skip
    assert mappings.count(made) == 2
