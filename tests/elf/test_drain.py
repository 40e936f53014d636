"""The ring, on a piece of memory that looks like one: what is taken, what is left, and the watermark."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import pytest

from santabpf.elf import drain
from santabpf.elf.drain import Ring

BYTES = 4096
RECORD = 24
STRIDE = 32
BUSY = 1 << 31


class Fake:
    """What the kernel would do: the data twice, the positions in pages of their own."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        page = mmap.PAGESIZE
        os.ftruncate(self.fd, 2 * page + 2 * BYTES)
        self._map = mmap.mmap(self.fd, 2 * page + 2 * BYTES)
        self.producer = 0

    @property
    def consumer(self) -> int:
        return int(struct.unpack_from("<Q", self._map, 0)[0])

    def put(self, number: int, *, busy: bool = False) -> int:
        """Reserve a record; where it lies."""
        at = self.producer
        self.write(at, struct.pack("<IIQQQ", RECORD | (BUSY if busy else 0), 0, number, number, number))
        self.producer += STRIDE
        struct.pack_into("<Q", self._map, mmap.PAGESIZE, self.producer)
        return at

    def submit(self, at: int) -> None:
        self.write(at, struct.pack("<I", RECORD))

    def write(self, at: int, data: bytes) -> None:
        for copy in (0, BYTES):
            start = 2 * mmap.PAGESIZE + at % BYTES + copy
            if start + len(data) <= len(self._map):
                self._map[start : start + len(data)] = data


@pytest.fixture
def fake() -> Iterator[Fake]:
    ring = Fake()
    yield ring
    os.close(ring.fd)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each look takes the next of 100, 200, 300, ..."""
    now = [0]

    def read() -> int:
        now[0] += 100
        return now[0]

    monkeypatch.setattr(drain.time, "monotonic_ns", read)
    return now


def numbers(taken: bytes) -> list[int]:
    return [struct.unpack_from("<Q", taken, at + 8)[0] for at in range(0, len(taken), STRIDE)]


def test_all_that_is_whole_is_taken_and_the_kernel_is_told(fake: Fake, clock: list[int]) -> None:
    ring = Ring(fake.fd, BYTES, RECORD)
    for i in range(5):
        fake.put(i)
    taken, more = ring.take()
    assert (numbers(taken), more) == ([0, 1, 2, 3, 4], False)
    assert fake.consumer == fake.producer == 5 * STRIDE
    assert ring.mark == 100
    assert ring.take() == (b"", False)
    assert ring.mark == 200


def test_it_stops_at_the_first_record_that_is_still_being_written(fake: Fake, clock: list[int]) -> None:
    ring = Ring(fake.fd, BYTES, RECORD)
    fake.put(0)
    unfinished = fake.put(1, busy=True)
    fake.put(2)
    assert numbers(ring.take()[0]) == [0]
    assert ring.take() == (b"", False)
    fake.submit(unfinished)
    assert numbers(ring.take()[0]) == [1, 2]


def test_the_watermark_stays_behind_a_record_that_is_still_being_written(fake: Fake, clock: list[int]) -> None:
    """It may be stamped already: all that is sure is that it was reserved after the look before."""
    ring = Ring(fake.fd, BYTES, RECORD)
    fake.put(0)
    ring.take()  # 100
    unfinished = fake.put(1, busy=True)
    ring.take()  # 200: reserved after 100, so its stamp is later than 100
    assert ring.mark == 100
    fake.put(2)
    ring.take()  # 300: it was there at 200 already, so the mark can't be 200
    assert ring.mark == 100
    fake.submit(unfinished)
    ring.take()
    assert ring.mark == 400


def test_a_chunk_at_a_time_and_the_watermark_only_with_the_last(
    fake: Fake, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "CHUNK", 2 * STRIDE)
    ring = Ring(fake.fd, BYTES, RECORD)
    for i in range(5):
        fake.put(i)
    marks, got = [], []
    more = True
    while more:
        taken, more = ring.take()
        marks.append(ring.mark)
        got.append(numbers(taken))
    assert got == [[0, 1], [2, 3], [4]]
    assert marks[-1] == 300
    assert marks[0] == 0


def test_it_goes_round_and_round(fake: Fake, clock: list[int]) -> None:
    ring = Ring(fake.fd, BYTES, RECORD)
    got: list[int] = []
    for start in range(0, 1000, 100):
        for i in range(start, start + 100):
            fake.put(i)
        got += numbers(ring.take()[0])
    assert got == list(range(1000))


def test_how_full_it_is(fake: Fake, clock: list[int]) -> None:
    ring = Ring(fake.fd, BYTES, RECORD)
    for i in range(64):
        fake.put(i)
    assert ring.waiting == 0.5
    ring.take()
    assert (ring.fill, ring.waiting) == (0.5, 0.0)
