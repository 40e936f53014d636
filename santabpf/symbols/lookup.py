"""The questions to the node, and the rows of `symbols`.

In: what is wanted, and a transport to the node. Out: rows, and notes on what could not be read. Two runs of
elf/symbols.py: one for symbol tables and the bytes before return addresses, one for the code at the start of the
functions that were found. Tables are kept for this process by build id, the kernel's symbols by boot.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from ..errors import NodeError
from ..launch import SYMBOLS_COMMAND, code_zip
from ..tables import table_schema
from ..transport import Transport
from ..wire import BadFrame, unpack_files
from .code import CALL_BYTES, PROLOGUE_BYTES, call_distance, is_call, is_jump, keeps_frame
from .elf_file import BadFile, ElfFile, Function
from .jit import PerfMap
from .kernel import Kernel
from .names import plain
from .wanted import AddressFrame, FileFrame, Mapping, Wanted

Row = dict[str, Any]
_FILE_BYTES, _ALL_BYTES = 96 << 20, 256 << 20  # of tables: unpacked, of one file; packed, of all
_PLACES = 6  # of the paths under which a file was seen, so many are tried
_KEPT_BYTES = 256 << 20
_TIME_S = 60.0
_KEPT: OrderedDict[str, ElfFile] = OrderedDict()
_KERNELS: dict[str, Kernel] = {}


@dataclass
class _File:
    """What is known of one file of the node."""

    path: str | None = None
    elf: ElfFile | None = None
    why: str | None = None
    peeks: dict[int, bytes] = field(default_factory=dict)


def look_up(
    transport: Transport, wanted: Wanted, *, ts_ns: int, boot_id: str | None = None
) -> tuple[pa.RecordBatch, list[str]]:
    """A row for each frame that is wanted, and notes, one sentence each.

    What the node does not give has no name, and says why. Raises nothing of the node's: where it can't be asked, all
    frames say so.
    """
    search = _Search(transport, wanted, boot_id)
    try:
        search.read()
    except (NodeError, BadFrame) as exc:
        search.notes.append(f"frames have no names: {exc}")
    if wanted.full:
        search.notes.append(f"of addresses without a file, only the first {len(wanted.addresses)} were looked up")
    rows = [row | {"ts_ns": ts_ns} for row in search.rows()]
    return pa.RecordBatch.from_pylist(rows, schema=table_schema("symbols").arrow), search.notes


def _kept(build_id: str) -> ElfFile | None:
    """The file's table, if it is kept; now the last that is to be forgotten."""
    elf = _KEPT.pop(build_id, None)
    if elf is not None:
        _KEPT[build_id] = elf
    return elf


class _Search:
    def __init__(self, transport: Transport, wanted: Wanted, boot_id: str | None) -> None:
        self._transport, self._wanted, self._boot = transport, wanted, boot_id
        self.notes: list[str] = []
        self._files: dict[str, _File] = {}
        self._maps: dict[tuple[int, int], PerfMap] = {}  # by tgid and start_ns
        self._kernel = _KERNELS.get(boot_id or "")
        # plain addresses, with where they lie and, in a file with a build id, the same place in the file
        mapped = wanted.mappings_of(frame.tgid for frame in wanted.addresses)
        self._seen = set(mapped)
        self._places = {frame: _covering(mapped.get(frame.tgid, []), frame.address) for frame in wanted.addresses}
        self._in_files: dict[AddressFrame, FileFrame] = {
            frame: FileFrame(place.build_id, frame.address - place.address + place.offset, frame.is_return)
            for frame, place in self._places.items() if place is not None and place.build_id is not None
        }  # fmt: skip
        self._all = sorted({*wanted.files, *self._in_files.values()})

    def read(self) -> None:
        """Ask the node. Raises NodeError, BadFrame."""
        ids = {frame.build_id for frame in self._all}
        self._files = {build_id: _File(elf=_kept(build_id)) for build_id in sorted(ids)}
        paths = self._paths(ids)
        peeks: dict[str, list[tuple[int, int]]] = {}
        for offset, build_id in sorted({(f.offset, f.build_id) for f in self._all if f.is_return}):
            if offset >= CALL_BYTES:
                peeks.setdefault(build_id, []).append((offset - CALL_BYTES, CALL_BYTES))
        unfiled = [f for f, place in self._places.items() if place is None or place.build_id is None]
        maps = sorted({(f.tgid, f.start_ns) for f in unfiled})
        want_kernel = bool(self._wanted.kernel) and self._kernel is None
        if not (ids or maps or want_kernel):
            return
        self._ask({
            "files": {
                build_id: {"paths": paths[build_id], "peek": peeks.get(build_id, []), "symbols": file.elf is None}
                for build_id, file in self._files.items()
            },
            "others": self._wanted.paths_without() if any(not paths[build_id] for build_id in ids) else [],
            "maps": maps, "kallsyms": want_kernel,
        })  # fmt: skip
        starts: dict[str, set[int]] = {}
        for frame in self._all:
            for function in (self._function(frame), self._called(frame)):
                if function is not None:
                    starts.setdefault(frame.build_id, set()).add(function.offset)
        if starts:
            code = {build_id: [(at, PROLOGUE_BYTES) for at in sorted(offsets)] for build_id, offsets in starts.items()}
            self._ask({"files": {
                build_id: {"paths": [self._files[build_id].path], "peek": peek}
                for build_id, peek in code.items() if self._files[build_id].path
            }})  # fmt: skip
        self._note_files()

    def _paths(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Where each file may be read: as its processes see it, if they live, or as this node does."""
        found = self._wanted.mappings_with(ids)
        out: dict[str, list[str]] = {}
        for build_id in ids:
            places: dict[str, None] = {}
            for m in found.get(build_id, [])[:_PLACES]:
                if not m.path.startswith("/"):
                    continue
                path = m.path.removesuffix(" (deleted)")
                span = f"{m.address:x}-{m.address + m.length:x}"
                places |= dict.fromkeys([path, f"/proc/{m.tgid}/root{path}", f"/proc/{m.tgid}/map_files/{span}"])
            out[build_id] = list(places)
        return out

    def _ask(self, request: dict[str, Any]) -> None:
        code = code_zip()
        text = json.dumps(request | {"file_bytes": _FILE_BYTES, "all_bytes": _ALL_BYTES}).encode()
        done = self._transport.run(
            SYMBOLS_COMMAND, stdin=struct.pack("<I", len(code)) + code + text, timeout_s=_TIME_S, sudo=True
        )
        if done.code != 0:
            said = done.err.decode("utf-8", "backslashreplace").strip().splitlines()
            raise NodeError(f"{self._transport.name}: reading symbols failed: {said[-1][:300] if said else done.code}")
        pieces: dict[tuple[str, str], dict[int, bytes]] = {}
        for name, data in unpack_files(done.out).items():
            kind, _, rest = name.partition("/")
            key, _, at = rest.partition("/")
            if kind == "kallsyms":
                self._take_kernel(Kernel(_unpacked(data)))
            elif kind == "map" and key.isdecimal() and at.isdecimal():
                self._maps[int(key), int(at)] = PerfMap(_unpacked(data))
            elif key in self._files and kind == "path":
                self._files[key].path = data.decode("utf-8", "backslashreplace")
            elif key in self._files and kind == "why":
                self._files[key].why = data.decode("utf-8", "backslashreplace")[:300]
            elif key in self._files and at.isdecimal() and kind == "peek":
                self._files[key].peeks[int(at)] = data
            elif key in self._files and at.isdecimal() and kind in ("elf", "debug"):
                pieces.setdefault((key, kind), {})[int(at)] = _unpacked(data)
        for build_id in sorted({key for key, _ in pieces}):
            self._take_file(build_id, pieces.get((build_id, "elf"), {}), pieces.get((build_id, "debug")))

    def _take_kernel(self, kernel: Kernel) -> None:
        self._kernel = kernel
        if kernel.hidden:
            self.notes.append("frames of the kernel have no names: the node hides its addresses (kernel.kptr_restrict)")
        elif self._boot:
            _KERNELS[self._boot] = kernel

    def _take_file(self, build_id: str, pieces: dict[int, bytes], debug: dict[int, bytes] | None) -> None:
        try:
            elf = ElfFile(pieces, debug)
        except BadFile as exc:
            self._files[build_id].why = str(exc)
            return
        self._files[build_id].elf = _KEPT[build_id] = elf
        while sum(kept.bytes for kept in _KEPT.values()) > _KEPT_BYTES and len(_KEPT) > 1:
            _KEPT.popitem(last=False)

    def _note_files(self) -> None:
        """What could not be read, by its reason."""
        why = {build_id: file.why for build_id, file in self._files.items() if file.why and file.elf is None}
        for reason, count in sorted(Counter(why.values()).items(), key=lambda pair: str(pair[0])):
            these = [build_id for build_id in why if why[build_id] == reason]
            found = sorted(self._paths_seen.get(build_id) or f"build id {build_id[:12]}" for build_id in these)
            more = f" and {count - 3} more" if count > 3 else ""
            self.notes.append(f"no names for frames of {', '.join(found[:3])}{more}: {reason}")

    # --------------------------------------------------------------------------------------------------- answers

    def _function(self, frame: FileFrame) -> Function | None:
        file = self._files.get(frame.build_id)
        return file.elf.find(frame.offset - frame.is_return) if file and file.elf else None

    def _before(self, frame: FileFrame) -> bytes | None:
        """The bytes before a return address."""
        file = self._files.get(frame.build_id)
        return file.peeks.get(frame.offset - CALL_BYTES) if file and frame.is_return else None

    def _called(self, frame: FileFrame) -> Function | None:
        """What the call before a return address calls; None by pointer, and through the table of another file."""
        before, file = self._before(frame), self._files.get(frame.build_id)
        distance = call_distance(before) if before else None
        if distance is None or file is None or file.elf is None:
            return None
        at = frame.offset + distance
        called = file.elf.find(at)
        if called is None and file.elf.is_code(at) and not is_jump(file.peeks.get(at, b"")):
            return Function(None, at, 0)  # nothing tells of functions there, but what is called is the start of one
        return called if called is not None and called.offset == at else None

    def _keeps_frame(self, build_id: str, function: Function | None) -> bool | None:
        start = self._files[build_id].peeks.get(function.offset) if function else None
        if not start or function is None:
            return None
        return keeps_frame(start[: function.size] if function.size else start)

    def rows(self) -> Iterable[Row]:
        """All rows but for their time."""
        for frame in sorted(self._wanted.files):
            text = f"{frame.build_id}+{frame.offset:#x}"
            yield {"frame": text, "is_return": frame.is_return} | self._of_file(frame, None)
        for place in sorted(self._wanted.addresses):
            if self._is_garbage(place):
                continue
            yield {
                "frame": f"{place.address:#x}", "tgid": place.tgid, "start_ns": place.start_ns,
                "is_return": place.is_return,
            } | self._of_address(place)  # fmt: skip
        for address, is_return in sorted(self._wanted.kernel):
            yield {
                "frame": f"{address % (1 << 64):#018x}", "address": address, "is_return": is_return,
            } | self._of_kernel(address % (1 << 64), is_return)  # fmt: skip

    def _of_file(self, frame: FileFrame, path: str | None) -> Row:
        file = self._files.get(frame.build_id) or _File(why="the node could not be asked")
        function, called, before = self._function(frame), self._called(frame), self._before(frame)
        module = path or self._paths_seen.get(frame.build_id) or file.path
        row: Row = {"module": module, "module_offset_bytes": frame.offset}
        row["is_call"] = is_call(before) if before else None
        row["calls"] = plain(called.name) if called and called.name else None
        row["calls_bytes"] = called.offset if called else None
        row["keeps_frame"] = self._keeps_frame(frame.build_id, function)
        row["calls_keeps_frame"] = self._keeps_frame(frame.build_id, called)
        row["offset_bytes"] = frame.offset - function.offset if function else None
        if function is None or function.name is None:
            return row | {"why": file.why or "no symbol in the file covers it"}
        return row | {"name": plain(function.name)}

    @cached_property
    def _paths_seen(self) -> dict[str, str]:
        """Where each file was mapped last, as its process sees it."""
        mapped = self._wanted.mappings_with({frame.build_id for frame in self._all})
        return {build_id: mappings[0].path for build_id, mappings in mapped.items()}

    def _is_garbage(self, frame: AddressFrame) -> bool:
        """Is this return address none, since no code is where it points to? The process is one that was seen to map."""
        known = self._maps.get((frame.tgid, frame.start_ns))
        compiled = known is not None and known.find(frame.address - frame.is_return) is not None
        return frame.is_return and self._places[frame] is None and frame.tgid in self._seen and not compiled

    def _of_address(self, frame: AddressFrame) -> Row:
        place = self._places[frame]
        if frame in self._in_files:
            return self._of_file(self._in_files[frame], place.path if place else None)
        known = self._maps.get((frame.tgid, frame.start_ns))
        function = known.find(frame.address - frame.is_return) if known else None
        if function is not None:
            name = plain(function.name)
            return {"name": name, "offset_bytes": function.offset + frame.is_return, "module": "[jit]"}
        if place is None:
            return {"why": "no code was seen to be mapped there"}
        row: Row = {"module": place.path, "module_offset_bytes": frame.address - place.address + place.offset}
        if place.path.startswith("//"):
            return row | {"why": f"code without a file, and no /tmp/perf-{frame.tgid}.map that tells of it"}
        return row | {"why": "the file has no build id, so that nobody knows whether it is still the same"}

    def _of_kernel(self, address: int, is_return: bool) -> Row:
        if self._kernel is None or self._kernel.hidden:
            return {"module": "[kernel]", "why": "the node does not show the kernel's addresses"}
        place = self._kernel.find(address - is_return)
        if place is None:
            return {"module": "[kernel]", "why": "no symbol of the kernel's is there"}
        return {"name": place.name, "offset_bytes": place.offset + is_return, "module": place.module}


def _covering(mappings: Iterable[Mapping], address: int) -> Mapping | None:
    """The latest that holds the address."""
    return next((m for m in mappings if m.address <= address < m.address + m.length), None)


def _unpacked(data: bytes) -> bytes:
    """Of a packed piece at most what a file may give. Raises BadFrame."""
    try:
        return zlib.decompressobj().decompress(data, _FILE_BYTES)
    except zlib.error as exc:
        raise BadFrame(f"symbols: a piece can't be unpacked: {exc}") from exc
