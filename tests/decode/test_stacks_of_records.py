"""Stacks as the kernel writes them, to lists: what was there, what was not, and what could not be read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from santabpf.decode.columns import Stats, to_arrow
from santabpf.decode.times import Clock
from santabpf.errors import BadScenario
from santabpf.recording import Writer
from santabpf.recording import open as open_recording
from santabpf.recording.manifest import declare
from santabpf.schema import Column, Schema, load_yaml, parse_columns

STACK = Column("kernel_stack", "u64[4]", "stack", "id", "d")
FRAMES = Column("user_frames", "char[96]", "frames", "none", "d")
BUILD_ID = bytes(range(20))
HEX = BUILD_ID.hex()


def arrow(column: Column, rows: list[bytes]) -> pa.Array:
    kind = np.dtype([("before", "u1"), (column.name, column.numpy_type)])  # strided, as it lies in a record
    raw = b"".join(b"\xff" + row.ljust(column.c_bytes, b"\0") for row in rows)
    return to_arrow(column, np.frombuffer(raw, kind)[column.name], Clock(0, 1), Stats())


def entry(status: int, value: int, build_id: bytes = BUILD_ID) -> bytes:
    return struct.pack("<i20sQ", status, build_id, value)


def test_kernel_addresses_end_at_the_first_zero_and_stand_as_twos_complement() -> None:
    address = 0xFFFFFFFF81000010
    rows = [struct.pack("<4Q", address, address + 1, 0, 7), struct.pack("<4Q", 5, 6, 7, 8), bytes(32)]
    array = arrow(STACK, rows)
    assert array.type == pa.list_(pa.int64())
    assert array.to_pylist() == [[address - (1 << 64), address + 1 - (1 << 64)], [5, 6, 7, 8], []]


def test_user_frames_are_build_id_and_offset_or_the_address() -> None:
    rows = [entry(1, 0x1234) + entry(2, 0x7F0000001000), entry(1, 0) + entry(1, 1) + entry(1, 2), b""]
    array = arrow(FRAMES, rows)
    assert array.type == pa.list_(pa.string())
    assert array.to_pylist() == [[f"{HEX}+0x1234", "0x7f0000001000"], [f"{HEX}+0x{n}" for n in range(3)], []]


def test_a_stack_that_could_not_be_read_is_null_and_not_empty() -> None:
    assert arrow(STACK, [struct.pack("<4Q", 1, 0, 0, 0), bytes(32)]).to_pylist() == [None, []]
    assert arrow(FRAMES, [entry(-1, 0), b"", entry(1, 9)]).to_pylist() == [None, [], [f"{HEX}+0x9"]]


def test_an_address_in_front_of_a_file_is_not_taken_for_one_in_it() -> None:
    assert arrow(FRAMES, [entry(1, (1 << 64) - 0x10)]).to_pylist() == [[f"{HEX}-0x10"]]


def test_a_frame_of_an_unknown_status_ends_its_stack() -> None:
    assert arrow(FRAMES, [entry(1, 5) + entry(77, 6) + entry(1, 7)]).to_pylist() == [[f"{HEX}+0x5"]]


def test_no_rows_are_no_lists() -> None:
    assert len(arrow(STACK, [])) == len(arrow(FRAMES, [])) == 0


@pytest.mark.parametrize(
    ("c", "kind", "words"),
    [("char[16]", "stack", "u64"), ("u64[4]", "number", "u64"), ("char[33]", "frames", "32 bytes"),
     ("u64", "frames", "32 bytes"), ("u64", "stack", "u64")],
)  # fmt: skip
def test_a_stack_needs_the_c_type_of_its_kind(tmp_path: Path, c: str, kind: str, words: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(f'columns: [{{name: x, c: "{c}", kind: {kind}, description: d}}]\n')
    with pytest.raises(BadScenario, match=words):
        parse_columns(load_yaml(path)["columns"], path, "t", c_types=True)


def test_stacks_in_a_struct_are_aligned_to_eight_bytes() -> None:
    assert (STACK.c_align, FRAMES.c_align, STACK.c_bytes, FRAMES.c_bytes) == (8, 8, 32, 96)
    assert STACK.c_declaration == "u64 kernel_stack[4]"


def test_a_recording_keeps_stacks(tmp_path: Path) -> None:
    time = Column("ts_ns", "u64", "clock", "ns", "d")
    schema = Schema("some", "d", (time, STACK, FRAMES))
    rows = pa.RecordBatch.from_pydict(
        {"ts_ns": [1, 2, 3], "kernel_stack": [[-5, -6], [], None], "user_frames": [None, [], ["0x1"]]},
        schema=schema.arrow,
    )
    with Writer(
        tmp_path / "rec", info={"nodes": {"local": {}}}, tables=[declare(schema.arrow, "some", schema.hash)]
    ) as writer:
        writer.append("local", "some", rows)
    found = open_recording(tmp_path / "rec")["some"].arrow().drop_columns("node").to_pylist()
    assert found == rows.to_pylist()
