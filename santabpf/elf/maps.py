"""Map tables: all keys with their values of every CPU, in one read.

In: the map's descriptor. Out: a MAP payload: rows of the key and one value for each possible CPU, each padded to 8
bytes. Never: resets or deletes anything (that loses counts). Rows that are all zero are left out; absent means zero.
"""

from __future__ import annotations

import struct

from . import kernel


def _padded(size: int) -> int:
    return (size + 7) // 8 * 8


class Table:
    """One per-CPU map."""

    def __init__(self, fd: int, spec: dict, possible_cpus: int) -> None:
        self._fd = fd
        self._key_bytes, self._entries = spec["key_bytes"], spec["entries"]
        self._value_bytes = _padded(spec["value_bytes"]) * possible_cpus
        self._key_pad = b"\0" * (_padded(self._key_bytes) - self._key_bytes)
        self._zero = b"\0" * self._value_bytes
        self._array = spec["array"]
        self._batch = None if self._array else kernel.Batch(fd, self._key_bytes, self._value_bytes, self._entries)
        self.row_bytes = _padded(self._key_bytes) + self._value_bytes

    def read(self) -> bytes:
        """Every row that is not zero."""
        rows = self._slots() if self._array else self._batch.read()  # type: ignore[union-attr]
        return b"".join(key + self._key_pad + value for key, value in rows if value != self._zero)

    def _slots(self) -> list[tuple[bytes, bytes]]:
        out = []
        for slot in range(self._entries):
            key = struct.pack("<I", slot)
            value = kernel.map_lookup(self._fd, key, self._value_bytes)
            if value is not None:
                out.append((key, value))
        return out


def per_cpu_sums(fd: int, entries: int, possible_cpus: int) -> list[int]:
    """A per-CPU array of u64 -> the sum over all CPUs of each slot."""
    out = []
    for slot in range(entries):
        value = kernel.map_lookup(fd, struct.pack("<I", slot), 8 * possible_cpus) or b""
        out.append(sum(struct.unpack(f"<{len(value) // 8}Q", value)))
    return out
