"""Which file lies where in which process: said by perf as it is mapped, and by /proc for what was mapped before.

In: perf events of each CPU (perf_event_open(2)), /proc/PID/maps. Out: bytes of perf records, PERF_RECORD_MMAP2, _FORK,
_EXIT and _LOST, each with the monotonic time at its end; what /proc says is put into the same form. Only executable
mappings. Never: parses what the kernel wrote, or waits.

Layout: include/uapi/linux/perf_event.h. Build ids stand in the records from Linux 5.12 on, else device and inode.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import struct
import time
from collections.abc import Iterator

from . import procfs

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_PERF_EVENT_OPEN = 298  # x86-64
_SOFTWARE, _DUMMY = 1, 9  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY
_SAMPLE_TIME = 1 << 2
_MMAP, _TASK, _SAMPLE_ID_ALL, _MMAP2, _USE_CLOCK, _BUILD_ID = (
    1 << 8, 1 << 13, 1 << 18, 1 << 23, 1 << 25, 1 << 34,
)  # fmt: skip
_FD_CLOEXEC = 8
_MMAP2_RECORD, _HAS_BUILD_ID = 10, 1 << 14
_EXEC = 4
#: Of each CPU's ring; a process that starts maps 5 to 10 files, about 1 KiB of records.
_RING_BYTES = 256 << 10
_HEAD, _TAIL = 1024 // 8, 1032 // 8  # where data_head and data_tail stand in the first page
#: /proc is read so long at most between two looks at the rings.
_STEP_S = 0.02
_LINE = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (..x.) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)")


class Ring:
    """The records of one CPU. ``fill`` is how full it was when it was last looked at, 0..1."""

    def __init__(self, cpu: int) -> None:
        self._fd = _open(cpu)
        page = mmap.PAGESIZE
        self._ring = mmap.mmap(self._fd, page + _RING_BYTES, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._words = memoryview(self._ring)[:page].cast("Q")
        self._data = page
        self.fill = 0.0

    def take(self) -> bytes:
        """All records that are there."""
        head, tail = self._words[_HEAD], self._words[_TAIL]
        self.fill = (head - tail) / _RING_BYTES
        if head == tail:
            return b""
        start, end = tail % _RING_BYTES, head % _RING_BYTES
        if start < end:
            taken = self._ring[self._data + start : self._data + end]
        else:
            taken = self._ring[self._data + start :] + self._ring[self._data : self._data + end]
        self._words[_TAIL] = head
        return taken


def _open(cpu: int) -> int:
    """An event that never counts anything, for the records that come with it. Raises OSError."""
    flags = _MMAP | _TASK | _MMAP2 | _SAMPLE_ID_ALL | _USE_CLOCK
    for more in (_BUILD_ID, 0):
        attr = bytearray(112)  # PERF_ATTR_SIZE_VER5
        struct.pack_into("<IIQQQQQ", attr, 0, _SOFTWARE, len(attr), _DUMMY, 0, _SAMPLE_TIME, 0, flags | more)
        struct.pack_into("<i", attr, 92, time.CLOCK_MONOTONIC)
        block = (ctypes.c_char * len(attr)).from_buffer(attr)
        fd = _libc.syscall(_SYS_PERF_EVENT_OPEN, block, -1, cpu, -1, ctypes.c_ulong(_FD_CLOEXEC))
        if fd >= 0:
            return fd
    error = ctypes.get_errno()
    raise OSError(error, f"perf_event_open: {os.strerror(error)}")


class Mappings:
    """All CPUs' records, and those made out of /proc. Raises OSError where the kernel refuses."""

    def __init__(self) -> None:
        text = (procfs.read_file("/sys/devices/system/cpu/online") or b"0").decode()
        spans = [part.partition("-") for part in text.strip().split(",")]
        self._rings = [Ring(cpu) for low, _, high in spans for cpu in range(int(low), int(high or low) + 1)]
        self._before: Iterator[bytes] = iter(())

    @property
    def fill(self) -> float:
        """The fullest ring, 0..1."""
        return max(ring.fill for ring in self._rings)

    def begin(self, members: set | None) -> None:
        """From now on take() also gives what these processes (all, for None) have mapped already."""
        pids = procfs.process_ids() if members is None else sorted(members)
        self._before = _mapped(pids)

    def take(self) -> list[bytes]:
        """What is there now, in pieces that fit in a frame; of /proc as much as can be read in a moment."""
        out = [ring.take() for ring in self._rings]
        end = time.monotonic() + _STEP_S
        while time.monotonic() < end:
            records = next(self._before, None)
            if records is None:
                break
            out.append(records)
        return [piece for piece in out if piece]


def count(records: bytes) -> int:
    """How many records these bytes hold."""
    at = n = 0
    while at + 8 <= len(records):
        at += max(struct.unpack_from("<H", records, at + 6)[0], 8)
        n += 1
    return n


def _mapped(pids: list) -> Iterator[bytes]:
    """For each process, its executable mappings as records; each file is opened once."""
    build_ids: dict[tuple, bytes] = {}
    for pid in pids:
        records = []
        for line in (procfs.read_file(f"/proc/{pid}/maps", 16 << 20) or b"").splitlines():
            found = _LINE.fullmatch(line)
            if found is None:
                continue
            start, end, pgoff, inode = int(found[1], 16), int(found[2], 16), int(found[4], 16), int(found[6])
            build_id = b""
            if inode:
                file = (found[5], inode)
                if file not in build_ids:
                    span = f"{start:x}-{end:x}"  # how map_files writes it: without leading zeros
                    build_ids[file] = read_build_id(f"/proc/{pid}/map_files/{span}")
                build_id = build_ids[file]
            records.append(_record(pid, start, end - start, pgoff, build_id, found[7] or b"//anon"))
        yield b"".join(records)


def _record(pid: int, start: int, length: int, pgoff: int, build_id: bytes, path: bytes) -> bytes:
    """A PERF_RECORD_MMAP2 as the kernel would have written it."""
    which = struct.pack("<BBH20s", len(build_id), 0, 0, build_id) if build_id else bytes(24)
    name = path[:4095] + b"\0"
    name += b"\0" * (-len(name) % 8)
    body = struct.pack("<IIQQQ24sII", pid, pid, start, length, pgoff, which, _EXEC, 0) + name
    body += struct.pack("<Q", time.monotonic_ns())
    return struct.pack("<IHH", _MMAP2_RECORD, _HAS_BUILD_ID if build_id else 0, 8 + len(body)) + body


def read_build_id(path: str) -> bytes:
    """The build id of a file by its path; empty where it has none or can't be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return build_id_of(fd)
    finally:
        os.close(fd)


def build_id_of(fd: int) -> bytes:
    """The build id in an ELF file's notes, 20 bytes at most; empty where it has none or can't be read."""
    try:
        head = os.pread(fd, 64, 0)
        if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":
            return b""
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        headers = os.pread(fd, size * min(count, 64), table)
        for at in range(0, len(headers) - 55, max(size, 56)):
            kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", headers, at)
            if kind == 4:  # PT_NOTE
                found = _note(os.pread(fd, min(length, 4096), offset))
                if found:
                    return found
    except (OSError, OverflowError, struct.error):
        pass
    return b""


def _note(notes: bytes) -> bytes:
    """The GNU build id among these notes."""
    at = 0
    while at + 12 <= len(notes):
        name, length, kind = struct.unpack_from("<III", notes, at)
        value = at + 12 + (name + 3) // 4 * 4
        if kind == 3 and notes[at + 12 : at + 16] == b"GNU\0":
            return notes[value : value + min(length, 20)]
        at = value + (length + 3) // 4 * 4
    return b""
