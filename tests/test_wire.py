from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from santabpf import wire

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(sorted(wire.KINDS)),
        st.integers(0, (1 << 16) - 1),
        st.integers(0, (1 << 64) - 1),
        st.binary(max_size=50),
    ),
    max_size=6,
)


def pack(frames: list[tuple[int, int, int, bytes]]) -> bytes:
    return b"".join(wire.pack(kind, table, seq, t, payload) for seq, (kind, table, t, payload) in enumerate(frames))


def one(payload: bytes = b"abc", **changes: int) -> bytes:
    """One frame whose header fields were changed before the checksum was made."""
    fields = {
        "magic": wire.MAGIC,
        "version": 1,
        "kind": wire.RING,
        "table": 1,
        "seq": 0,
        "t": 5,
        "length": len(payload),
    }
    head = struct.pack("<4sBBHQQI", *(fields | changes).values())
    return head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload


@given(FRAMES, st.lists(st.integers(0, 300), max_size=10))
def test_what_was_packed_is_read_whatever_the_pieces(
    frames: list[tuple[int, int, int, bytes]], cuts: list[int]
) -> None:
    data, reader, got = pack(frames), wire.Reader(), []
    at = 0
    for cut in [*sorted(min(c, len(data)) for c in cuts), len(data)]:
        got += list(reader.feed(data[at:cut]))
        at = cut
    assert [(f.kind, f.table, f.t_before, f.payload) for f in got] == frames
    assert [f.seq for f in got] == list(range(len(frames)))
    assert reader.pending == 0


def test_the_header_is_32_bytes_and_stands_where_the_docstring_says() -> None:
    data = wire.pack(wire.MAP, 0x0201, 7, 0x0A0B, b"xy")
    assert wire.HEADER_BYTES == 32
    assert data[:28] == b"SBPF\x01\x03\x01\x02" + struct.pack("<QQI", 7, 0x0A0B, 2)
    assert data[28:32] == struct.pack("<I", zlib.crc32(data[:28] + b"xy"))
    assert data[32:] == b"xy"


def test_a_cut_stream_leaves_bytes_pending_and_yields_nothing_of_the_frame() -> None:
    data, reader = wire.pack(wire.RING, 1, 0, 0, b"payload"), wire.Reader()
    assert list(reader.feed(data[:-1])) == []
    assert reader.pending == len(data) - 1
    assert [f.payload for f in reader.feed(data[-1:])] == [b"payload"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SBPE" + one()[4:], "starts with b'SBPE'"),
        (one(version=2), "version 2, but this SantaBPF reads version 1"),
        (one(kind=8), "unknown kind 8"),
        (one(kind=0), "unknown kind 0"),
        (one(seq=1), "frame 1 came where frame 0 was due"),
        (one(length=(8 << 20) + 1), "over the limit"),
        (one()[:-1] + b"X", "its checksum does not match"),
        (one()[:10] + b"\xff" + one()[11:], "its checksum does not match"),
    ],
)
def test_a_frame_that_is_none_says_why(data: bytes, words: str) -> None:
    with pytest.raises(wire.BadFrame, match=words):
        list(wire.Reader().feed(data))


def test_frames_before_a_bad_one_are_yielded_first() -> None:
    reader = wire.Reader().feed(one() + b"garbage" * 10)
    assert next(reader).payload == b"abc"
    with pytest.raises(wire.BadFrame, match="frame 1: starts with"):
        next(reader)


@given(st.integers(0, 34), st.integers(0, 7))
def test_one_flipped_bit_is_always_noticed(at: int, bit: int) -> None:
    data = bytearray(one())
    data[at] ^= 1 << bit
    reader = wire.Reader()
    try:
        frames = list(reader.feed(bytes(data)))
    except wire.BadFrame:
        return
    assert (frames, reader.pending) == ([], len(data)), "a length that grew makes it wait for more"


@given(st.binary(min_size=32, max_size=200))
def test_arbitrary_bytes_are_a_bad_frame(data: bytes) -> None:
    with pytest.raises(wire.BadFrame, match="frame 0: starts with"):
        list(wire.Reader().feed(b"x" + data))


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b'"text"', b"\xff", b"[" * 100_000])
def test_json_that_is_no_object_is_a_bad_frame(payload: bytes) -> None:
    with pytest.raises(wire.BadFrame, match="frame 3: its tick is no JSON"):
        wire.Frame(wire.TICK, 0, 3, 0, payload).json()


def test_a_dictionary_becomes_json_with_sorted_keys() -> None:
    (frame,) = wire.Reader().feed(wire.pack(wire.BYE, 0, 0, 0, {"b": 1, "a": "ä"}))
    assert frame.payload == b'{"a":"\\u00e4","b":1}'
    assert frame.json() == {"b": 1, "a": "ä"}


def test_a_payload_over_the_limit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        wire.pack(wire.RING, 1, 0, 0, bytes((8 << 20) + 1))


@given(
    st.dictionaries(
        st.text(max_size=20).map(lambda s: s.encode("utf-8", "ignore").decode()), st.binary(max_size=50), max_size=5
    )
)
def test_files_survive_in_their_order(files: dict[str, bytes]) -> None:
    assert list(wire.unpack_files(wire.pack_files(files)).items()) == list(files.items())


def test_a_file_name_that_is_no_utf8_survives() -> None:
    name = b"\xff/stat".decode("utf-8", "surrogateescape")
    assert wire.unpack_files(wire.pack_files({name: b"x"})) == {name: b"x"}


@given(st.dictionaries(st.text("abc/", max_size=5), st.binary(max_size=9), min_size=1, max_size=3), st.data())
def test_files_that_are_cut_are_a_bad_frame_or_fewer_files(files: dict[str, bytes], data: st.DataObject) -> None:
    payload = wire.pack_files(files)
    whole = [len(wire.pack_files(dict(list(files.items())[:n]))) for n in range(len(files))]
    cut = data.draw(st.integers(0, len(payload) - 1))
    if cut in whole:
        assert wire.unpack_files(payload[:cut]) == dict(list(files.items())[: whole.index(cut)])
    else:
        with pytest.raises(wire.BadFrame, match="in the middle of a file"):
            wire.unpack_files(payload[:cut])


@given(st.binary(max_size=60))
def test_arbitrary_bytes_as_files_never_raise_anything_else(data: bytes) -> None:
    try:
        files = wire.unpack_files(data)
    except wire.BadFrame:
        return
    assert sum(map(len, files.values())) <= len(data)


def test_the_module_needs_nothing_but_the_standard_library() -> None:
    # it travels to nodes that have only their own python3
    code = f"import runpy; runpy.run_path({wire.__file__!r})"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)
