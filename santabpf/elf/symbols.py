"""What is needed to name the frames of a recording, read from this node's files when the recording is over.

In: a request, JSON on stdin. Out: named pieces on stdout (wire.pack_files), the large ones packed by zlib. Never: reads
a file that is another than was running (its build id must be the wanted one), a debugger's lines, or more than asked.

    elf/<id>/<at>     bytes of the file from there: headers, symbols, starts           path/<id>    where it was found
    debug/<id>/<at>   the same of its file below /usr/lib/debug/.build-id              why/<id>     why it was not read
    peek/<id>/<at>    the few bytes of code that were asked for
    map/<pid>/<start> the /tmp/perf-PID.map of a compiler at run time                  kallsyms     the kernel's symbols
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import struct
import sys
import time
import zlib

from .. import wire
from . import mappings, maps, procfs

_SYMTAB, _DYNSYM = 2, 11
_GNU_EH_FRAME = 0x6474E550  # the table of where functions start, which even stripped files have
_DEBUG = "/usr/lib/debug/.build-id"
_MAP_BYTES = 32 << 20
_COARSE_S = 0.1  # times of files are those of the last tick of the clock, and it may have been set a little


class _TooLarge(Exception):
    """More than may be sent."""


def main() -> int:
    """Answer one request."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")
    os.nice(19)
    request = json.loads(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as out:
        answer = _Answer(out, int(request["file_bytes"]), int(request["all_bytes"]))
        for build_id, wanted in request.get("files", {}).items():
            answer.file(build_id, wanted, request.get("others", []))
        for pid, start_ns in request.get("maps", []):
            answer.perf_map(int(pid), int(start_ns))
        if request.get("kallsyms"):
            answer.put("kallsyms", zlib.compress(procfs.read_file("/proc/kallsyms", 64 << 20) or b"", 1))
    return 0


class _Answer:
    """Writes the pieces, as long as they are not too many."""

    def __init__(self, out, file_bytes: int, all_bytes: int) -> None:
        self._out, self._file_bytes, self._left = out, file_bytes, all_bytes

    def put(self, name: str, data: bytes) -> None:
        self._left -= len(data)
        self._out.write(wire.pack_files({name: data}))

    def file(self, build_id: str, wanted: dict, others: list) -> None:
        """The symbols of the first of its paths that still has this build id, and the bytes asked for."""
        fd, path, why = _open(build_id, [*wanted["paths"], *others])
        if fd < 0:
            self.put("why/" + build_id, why.encode())
            return
        try:
            self.put("path/" + build_id, path.encode("utf-8", "surrogateescape"))
            if wanted.get("symbols"):
                self._symbols(fd, build_id)
            for at, length in wanted.get("peek", []):
                self.put(f"peek/{build_id}/{at}", os.pread(fd, min(length, 256), at))
        except _TooLarge as exc:
            self.put("why/" + build_id, str(exc).encode())
        except (OSError, struct.error) as exc:
            self.put("why/" + build_id, f"it can't be read: {exc}".encode())
        finally:
            os.close(fd)

    def _symbols(self, fd: int, build_id: str) -> None:
        """The table of all symbols, in the file or in that for debuggers, or else that of the exported ones."""
        file = _Tables(fd)
        debug = -1
        if not file.of_kind(_SYMTAB):
            debug = _open(build_id, [f"{_DEBUG}/{build_id[:2]}/{build_id[2:]}.debug"])[0]
        if debug >= 0:
            try:
                tables = _Tables(debug)
                self._pieces(debug, "debug/" + build_id, tables.headers + tables.of_kind(_SYMTAB))
            finally:
                os.close(debug)
        pieces = file.of_kind(_SYMTAB) or ([] if debug >= 0 else file.of_kind(_DYNSYM))
        self._pieces(fd, "elf/" + build_id, file.headers + file.unwind + pieces)

    def _pieces(self, fd: int, name: str, pieces: list) -> None:
        total = sum(size for _, size in pieces)
        if total > self._file_bytes or total > 8 * self._left:  # packed, they take a quarter and less
            raise _TooLarge(f"its symbol tables are {total >> 20} MiB long, more than are read")
        for offset, size in pieces:
            if size:
                self.put(f"{name}/{offset}", zlib.compress(_read(fd, offset, size), 1))

    def perf_map(self, pid: int, start_ns: int) -> None:
        """As the process sees it, if it lives, under its own number there; of one that is gone, this node's.

        A map that is older than the process is one of another that had its number.
        """
        place = f"/tmp/perf-{pid}.map"
        if not maps.gone_processes({(pid, start_ns // maps.TICK_NS)}):
            for line in (procfs.read_file(f"/proc/{pid}/status") or b"").splitlines():
                if line.startswith(b"NSpid:"):
                    place = f"/proc/{pid}/root/tmp/perf-{int(line.split()[-1])}.map"
        fd = _open_file(place)
        if fd < 0:
            return
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        try:
            if os.fstat(fd).st_mtime + _COARSE_S >= booted + start_ns / 1e9:
                self.put(f"map/{pid}/{start_ns}", zlib.compress(_read(fd, 0, _MAP_BYTES), 1))
        except OSError:
            pass
        finally:
            os.close(fd)


class _Tables:
    """Where in a 64-bit ELF file things lie, each as (offset, size). Raises struct.error."""

    def __init__(self, fd: int) -> None:
        head = os.pread(fd, 64, 0)
        segments, sections = struct.unpack_from("<QQ", head, 32)
        segment_bytes, segments_n, section_bytes, sections_n = struct.unpack_from("<HHHH", head, 54)
        self.headers = [(0, 64), (segments, segment_bytes * segments_n), (sections, section_bytes * sections_n)]
        table = os.pread(fd, self.headers[1][1], segments)
        self.unwind = []
        for at in range(0, len(table) - 55, max(segment_bytes, 56)):
            kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", table, at)
            if kind == _GNU_EH_FRAME:
                self.unwind.append((offset, size))
        table = os.pread(fd, self.headers[2][1], sections)
        self._sections = []  # sh_type, sh_offset, sh_size, sh_link
        for at in range(0, len(table) - 63, max(section_bytes, 64)):
            _, kind, _, _, offset, size, link = struct.unpack_from("<IIQQQQI", table, at)
            self._sections.append((kind, offset, size, link))

    def of_kind(self, kind: int) -> list:
        """A symbol table of this kind and its names; empty where there is none."""
        for found, offset, size, link in self._sections:
            if found == kind and size and link < len(self._sections):
                return [(offset, size), self._sections[link][1:3]]
        return []


def _open(build_id: str, paths: list) -> tuple:
    """(descriptor, path, "") of the first with this build id; else (-1, "", why)."""
    why = "it is not there any more" if paths else "where it lies was not seen"
    for path in paths:
        fd = _open_file(path)
        if fd < 0:
            continue
        found = mappings.build_id_of(fd).ljust(20, b"\0").hex()
        if found == build_id:
            if os.pread(fd, 6, 0)[4:6] == b"\x02\x01":
                return fd, path, ""
            why = "it is no 64-bit file"
        elif path.startswith("/") and "/map_files/" not in path:
            why = "another file has its path now"
        os.close(fd)
    return -1, "", why


def _open_file(path: str) -> int:
    """A descriptor of an ordinary file, or -1. Of no link, pipe or device: who made it may be anybody."""
    follow = 0 if "/map_files/" in path else os.O_NOFOLLOW
    try:
        fd = os.open(os.fsencode(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | follow)
    except (OSError, ValueError):
        return -1
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return -1


def _read(fd: int, offset: int, size: int) -> bytes:
    """As much of it as there is."""
    parts = []
    while size > 0:
        part = os.pread(fd, min(size, 1 << 20), offset)
        if not part:
            break
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)
