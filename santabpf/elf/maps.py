"""Map tables: all keys with their values of every CPU, in one read; and room for new keys.

In: the map's descriptor. Out: a MAP payload: rows of the key and one value for each possible CPU (one in all, for a
snapshot), each padded to 8 bytes. Rows of counts that are all zero are left out; absent means as before. Never: loses
what was counted.

A key leaves a map only here, when the map is more than half full, when the process that it names is gone, when its
values are the same as a second ago, and when they have just been sent. What is taken out is sent again where it has
grown meanwhile, then as a row of zeros, so that Santa counts from zero should the key come back. (A program that
looked the value up before it was taken out and adds to it afterwards would lose that one; of a process that /proc no
longer shows, none runs.)
"""

from __future__ import annotations

import os
import struct
from typing import Optional

from . import kernel, procfs

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_MOST = 2048  # keys that go at one reading: each takes two system calls' time


def _padded(size: int) -> int:
    return (size + 7) // 8 * 8


class Table:
    """One map."""

    def __init__(self, fd: int, spec: dict, possible_cpus: int) -> None:
        self._fd = fd
        self._key_bytes, self._entries = spec["key_bytes"], spec["entries"]
        self._snapshot = spec.get("snapshot", False)
        self._process: Optional[list] = spec.get("process")
        size = spec["value_bytes"]
        self._value_bytes = size if self._snapshot else _padded(size) * possible_cpus
        self._key_pad = b"\0" * (_padded(self._key_bytes) - self._key_bytes)
        self._value_pad = b"\0" * (_padded(size) - size) if self._snapshot else b""
        self._zero = b"\0" * self._value_bytes
        kind = Slots if spec["array"] else kernel.Batch
        self._all = kind(fd, self._key_bytes, self._value_bytes, self._entries)
        self.row_bytes = _padded(self._key_bytes) + _padded(self._value_bytes)
        self._last: dict[bytes, int] = {}  # key -> hash of its values at the last reading, once the map fills
        self._unchanged: dict[bytes, bytes] = {}

    def read(self) -> bytes:
        """Every row; of counts, every row that is not zero."""
        rows = self._all.read()
        if self._process is not None:
            self._compare(rows)
        if self._snapshot:
            return b"".join(self._row(key, value) for key, value in rows)
        return b"".join(self._row(key, value) for key, value in rows if value != self._zero)

    def evict(self, room: int) -> list:
        """Take out keys of processes that are gone; the payloads that say so, of `room` bytes at most together.

        To be called when what read() returned is on its way.
        """
        if not self._unchanged:
            return []
        gone = gone_processes({self._identity(key) for key in self._unchanged})
        grown, zeros = [], []
        for key, value in self._unchanged.items():
            if len(zeros) >= min(_MOST, room // (2 * self.row_bytes)):
                break
            if self._identity(key) in gone:
                final = kernel.map_take(self._fd, key, self._value_bytes)
                if final is not None and final != value:
                    grown.append(self._row(key, final))
                zeros.append(self._row(key, self._zero))
                self._last.pop(key, None)
        self._unchanged = {}
        return [b"".join(part) for part in (grown, zeros) if part]

    def _row(self, key: bytes, value: bytes) -> bytes:
        return key + self._key_pad + value + self._value_pad

    def _compare(self, rows: list) -> None:
        now = {key: hash(value) for key, value in rows} if 4 * len(rows) > self._entries else {}
        crowded = 2 * len(rows) > self._entries
        self._unchanged = {k: value for k, value in rows if self._last.get(k) == now[k]} if crowded else {}
        self._last = now

    def _identity(self, key: bytes) -> tuple:
        """(process id, clock tick of its start) that a key names."""
        at_tgid, at_start = self._process or (0, 0)
        return struct.unpack_from("<i", key, at_tgid)[0], struct.unpack_from("<Q", key, at_start)[0] // TICK_NS

def gone_processes(identities: set) -> set:
    """Those of these (process id, clock tick of its start) that do not live; 0 is the kernel, which always does."""
    alive = set(procfs.process_ids()) | {0}
    out = {who for who in identities if who[0] not in alive}
    for tgid, start in identities - out:
        stat = procfs.read_file(f"/proc/{tgid}/stat") if tgid else None
        if stat and int(stat[stat.rindex(b")") + 1 :].split()[19]) != start:
            out.add((tgid, start))
    return out


class Slots:
    """All elements of a per-CPU array, in one call where the kernel can (Linux 5.13), else one by one."""

    def __init__(self, fd: int, key_bytes: int, value_bytes: int, entries: int) -> None:
        self._fd, self._entries, self._value_bytes = fd, entries, value_bytes
        self._batch: Optional[kernel.Batch] = kernel.Batch(fd, key_bytes, value_bytes, entries)

    def read(self) -> list[tuple[bytes, bytes]]:
        """Every slot and its values."""
        if self._batch is not None:
            try:
                return self._batch.read()
            except OSError:
                self._batch = None
        slots = [struct.pack("<I", slot) for slot in range(self._entries)]
        values = [(slot, kernel.map_lookup(self._fd, slot, self._value_bytes)) for slot in slots]
        return [(slot, value) for slot, value in values if value is not None]


class Counters:
    """A per-CPU array of u64, and the sum over all CPUs of each slot."""

    def __init__(self, fd: int, entries: int, possible_cpus: int) -> None:
        self._slots, self._form = Slots(fd, 4, 8 * possible_cpus, entries), struct.Struct(f"<{possible_cpus}Q")

    def sums(self) -> list[int]:
        """In the order of slots."""
        return [sum(self._form.unpack(value)) for _, value in self._slots.read()]
