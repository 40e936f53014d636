"""The paths of cgroups that programs wrote down (note_cgroup() in prelude.bpf.c), each sent once.

In: the descriptors of the map and of its counter. Out: MAP payloads: rows of id and path. Never: looks at the cgroup
file system, where those that are gone could not be found.
"""

from __future__ import annotations

import struct

from . import kernel

_VALUE_BYTES = 776  # struct santa_cgroup; its last four bytes say that it is whole
_ROWS = 1024  # in one frame


class Cgroups:
    """What is new in the map since the last look; costs one look at a counter while nothing is."""

    def __init__(self, fd: int, met_fd: int, entries: int) -> None:
        self._fd, self._met_fd, self._entries = fd, met_fd, entries
        self._batch = kernel.Batch(fd, 8, _VALUE_BYTES, entries)
        self._met = -1
        self._sent: set[bytes] = set()

    def fresh(self) -> list:
        """Payloads with what has not been sent."""
        (met,) = struct.unpack("<Q", kernel.map_lookup(self._met_fd, b"\0\0\0\0", 8) or bytes(8))
        if met == self._met:
            return []
        rows = self._batch.read()
        whole = [(key, value) for key, value in rows if any(value[-4:])]
        new = [key + value for key, value in whole if key not in self._sent]
        self._met = met if len(whole) == len(rows) else -1
        self._sent = {key for key, _ in whole}
        return [b"".join(new[i : i + _ROWS]) for i in range(0, len(new), _ROWS)]

    @property
    def left_out(self) -> int:
        """How often one was met for which there was no room: rows of it have an id and no path."""
        (count,) = struct.unpack("<Q", kernel.map_lookup(self._met_fd, b"\1\0\0\0", 8) or bytes(8))
        return int(count)

    def make_room(self) -> None:
        """Where half of the map is full, delete what has been sent; who is met again is written down again."""
        if len(self._sent) > self._entries // 2:
            for key in self._sent:
                kernel.map_take(self._fd, key, _VALUE_BYTES)
            self._sent = set()

    def forget(self) -> None:
        """What was taken last did not get through: take it again."""
        self._met, self._sent = -1, set()
