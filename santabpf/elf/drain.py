"""A BPF ring buffer, emptied from user space without touching its events one by one.

In: the map's descriptor. Out: bytes as they lay in the ring, and a watermark. Never: parses a record, waits.

Layout (kernel/bpf/ringbuf.c): a page with the consumer position, a page with the producer position, then the data,
mapped twice in a row, so any range is contiguous. Each record is led by u32 length | busy bit 31, u32 page offset. All
records of a ring are of one size and none is ever discarded, so the busy bits stand at a fixed stride.

Right only where loads are not reordered with loads, which x86-64 guarantees: elsewhere checks.py refuses to run.
"""

from __future__ import annotations

import mmap
import time

#: One frame at most; small, so that the elf stays small too. The rest stays in the ring, which is there anyway.
CHUNK = 1 << 20
_BUSY = b"\x80"


class Ring:
    """One ring. ``fill`` is how full it was when it was last looked at, 0..1."""

    def __init__(self, fd: int, ring_bytes: int, record_bytes: int) -> None:
        self.stride = (8 + record_bytes + 7) // 8 * 8
        self._bytes = ring_bytes
        self._chunk = max(CHUNK // self.stride, 1) * self.stride
        page = mmap.PAGESIZE
        self._control = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._ring = mmap.mmap(fd, page + 2 * ring_bytes, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        # one 8-byte load or store each; struct's little-endian codes would go byte by byte
        self._consumer = memoryview(self._control)[:8].cast("Q")
        self._producer = memoryview(self._ring)[:8].cast("Q")
        self._data = page
        self._at = self._consumer[0]
        self.mark = 0  # every event before it has been taken
        self._seen_at, self._seen = 0, self._at  # an earlier look: when, and the producer position it saw
        self.fill = 0.0

    def take(self) -> tuple[bytes, bool]:
        """The records that are whole, one chunk at most, and whether more of them wait; moves ``mark``.

        An event is reserved first and stamped afterwards. So whatever is not reserved at a look will be stamped after
        it, and once all that was reserved at that look is taken, the time of that look is a watermark.
        """
        now = time.monotonic_ns()
        producer = self._producer[0]
        self.fill = (producer - self._at) / self._bytes
        if producer == self._at:
            self.mark = self._seen_at = now
            self._seen = producer
            return b"", False
        end = min(producer, self._at + self._chunk)
        start = self._data + self._at % self._bytes
        busy = self._ring[start + 3 : start + end - self._at : self.stride].find(_BUSY)  # in the live ring, not a copy
        if busy >= 0:
            end = self._at + busy * self.stride
        taken = self._ring[start : start + end - self._at]
        self._at = end
        self._consumer[0] = end
        if end == producer:
            self.mark = now
        elif end >= self._seen:
            self.mark = max(self.mark, self._seen_at)
        if end >= self._seen:
            self._seen_at, self._seen = now, producer
        return taken, busy < 0 and end < producer

    @property
    def waiting(self) -> float:
        """How full the ring is now, 0..1."""
        return (self._producer[0] - self._at) / self._bytes
