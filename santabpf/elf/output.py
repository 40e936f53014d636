"""Frames out, never blocking: a bounded queue before stdout, and what did not fit is counted.

In: payloads. Out: bytes on a descriptor, numbered frame by frame. Never: waits for a reader.

A frame that finds no room is not sent and takes no number, so the stream has no hole: its records are counted as
buffer_dropped of their table. Ticks and the like may use a reserve that data may not.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import os

from .. import wire

_RESERVE = 1 << 20
_F_SETPIPE_SZ = 1031  # linux/fcntl.h; in Python's fcntl since 3.10


class Output:
    """The stream to Santa. ``pending`` bytes wait to be written, ``sent_bytes`` have been."""

    def __init__(self, fd: int, limit: int) -> None:
        self.fd, self.limit = fd, limit
        self.pending = self.sent_bytes = 0
        self.dropped: dict[int, int] = collections.Counter()  # table id -> records thrown away
        self._queue: collections.deque[memoryview] = collections.deque()
        self._seq = 0
        os.set_blocking(fd, False)
        with contextlib.suppress(OSError):  # a pipe of 64 KiB makes writer and reader take turns all the time
            fcntl.fcntl(fd, _F_SETPIPE_SZ, 1 << 20)

    @property
    def room(self) -> int:
        """How many bytes of data can be queued now."""
        return max(0, self.limit - self.pending)

    def data(self, kind: int, table: int, t_before: int, payload: bytes | bytearray, records: int) -> bool:
        """Queue a RING, MAP or PROC frame; False, and its records counted as dropped, if there is no room."""
        if self.pending + len(payload) > self.limit:
            self.dropped[table] += records
            return False
        self._put(kind, table, t_before, payload)
        return True

    def message(self, kind: int, t_before: int, value: dict) -> None:
        """Queue a HELLO, TICK, TROUBLE or BYE; dropped silently only when even the reserve is full."""
        payload = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
        if self.pending + len(payload) <= self.limit + _RESERVE:
            self._put(kind, 0, t_before, payload)

    def _put(self, kind: int, table: int, t_before: int, payload: bytes | bytearray) -> None:
        header = wire.pack_header(kind, table, self._seq, t_before, payload)
        self._seq += 1
        self._queue.append(memoryview(header))
        if payload:
            self._queue.append(memoryview(payload))
        self.pending += len(header) + len(payload)

    def flush(self) -> None:
        """Write what goes without waiting. Raises BrokenPipeError when nobody will ever read it."""
        queue = self._queue
        while queue:
            try:
                written = os.writev(self.fd, [queue[i] for i in range(min(len(queue), 64))])
            except BlockingIOError:
                return
            self.pending -= written
            self.sent_bytes += written
            while queue and written >= len(queue[0]):
                written -= len(queue.popleft())
            if written:
                queue[0] = queue[0][written:]
