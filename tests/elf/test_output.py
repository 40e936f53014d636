"""Frames out of a pipe that nobody reads: never a wait, never a hole in the numbers, never an uncounted loss."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from santabpf import wire
from santabpf.elf.output import Output


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    yield read_end, write_end
    for end in (read_end, write_end):
        os.close(end)


def drained(read_end: int, out: Output) -> list[wire.Frame]:
    reader, frames = wire.Reader(), []
    while True:
        out.flush()
        try:
            frames += list(reader.feed(os.read(read_end, 1 << 20)))
        except BlockingIOError:
            assert reader.pending == 0
            return frames


def test_what_finds_no_room_is_counted_and_leaves_no_hole(pipe: tuple[int, int]) -> None:
    out = Output(pipe[1], (3 << 20) + 1000)
    sent = [out.data(wire.RING, 1, i, b"x" * (1 << 20), 100) for i in range(8)]
    out.flush()
    assert sent.count(False) == 5
    assert out.dropped == {1: 500}
    frames = drained(pipe[0], out)
    assert [f.seq for f in frames] == [0, 1, 2]
    assert out.pending == 0
    assert out.sent_bytes == sum(wire.HEADER_BYTES + len(f.payload) for f in frames)


def test_a_tick_gets_through_where_data_does_not(pipe: tuple[int, int]) -> None:
    out = Output(pipe[1], 1 << 20)
    assert out.data(wire.RING, 1, 0, b"x" * (1 << 20), 1)
    assert not out.data(wire.RING, 1, 0, b"x", 1)
    out.message(wire.TICK, 5, {"loss": 1})
    frames = drained(pipe[0], out)
    assert [f.kind for f in frames] == [wire.RING, wire.TICK]
    assert frames[1].json() == {"loss": 1}


def test_a_reader_that_is_gone_is_noticed() -> None:
    read_end, write_end = os.pipe()
    out = Output(write_end, 1 << 20)
    os.close(read_end)
    out.message(wire.TICK, 0, {})
    with pytest.raises(BrokenPipeError):
        out.flush()
    os.close(write_end)
