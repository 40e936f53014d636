"""The frames that pass from an elf to Santa: pack and unpack. Standard library only; runs on both sides.

    offset size  field
    0      4     magic      b"SBPF"
    4      1     version    1
    5      1     kind       HELLO, RING, MAP, PROC, TICK, TROUBLE or BYE
    6      2     table      the table's id from the hello; 0 where the frame is about no table
    8      8     seq        0, 1, 2, ... over the whole stream; a hole is a lost frame
    16     8     t_before   node's monotonic ns, read before the data was: all that ended earlier is in this frame or an
                            earlier one of the table (its watermark)
    24     4     length     of the payload, at most 8 MiB
    28     4     crc        CRC-32 of the header's first 28 bytes and the payload

All little-endian. Payloads: HELLO, TICK, TROUBLE and BYE are JSON objects; RING is ring-buffer bytes as they lay
there (8-byte record headers included, one fixed record size); MAP is rows of key and per-CPU values, or, with table 0,
of cgroups: u64 id (its highest bit says that it is one of the cpu controller's hierarchy), 768 bytes of names, the
leaf first, each ended by NUL, u32 how many, u32 1, or 2 where the upper ones are missing; PROC is files (see
pack_files), of which one with table 65535 is perf records of mapped files (elf/mappings.py). After a bad frame nothing
can be trusted: the reader raises BadFrame and the stream ends there.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

MAGIC = b"SBPF"
VERSION = 1
MAX_PAYLOAD = 8 << 20

#: The table id of a MAP frame with the paths of cgroups; the tables of a plan are numbered from 1.
CGROUPS = 0
#: That of a PROC frame whose one file is perf's records of what processes map.
MAPPED = 0xFFFF
HELLO, RING, MAP, PROC, TICK, TROUBLE, BYE = range(1, 8)
KINDS = {HELLO: "hello", RING: "ring", MAP: "map", PROC: "proc", TICK: "tick", TROUBLE: "trouble", BYE: "bye"}

_HEAD = struct.Struct("<4sBBHQQI")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEAD.size + _CRC.size
_FILE = struct.Struct("<HI")


class BadFrame(Exception):
    """Bytes that are not a whole, unharmed frame of a known version (errors.BadFrame on Santa's side)."""


class Frame(NamedTuple):
    """One frame: what it is, which table it belongs to, and its bytes."""

    kind: int
    table: int
    seq: int
    t_before: int
    payload: bytes

    def json(self) -> dict[str, Any]:
        """The payload of a HELLO, TICK, TROUBLE or BYE. Raises BadFrame."""
        try:
            value = json.loads(self.payload)
        except (ValueError, RecursionError) as exc:
            raise BadFrame(f"frame {self.seq}: its {KINDS[self.kind]} is no JSON: {exc}") from exc
        if not isinstance(value, dict):
            raise BadFrame(f"frame {self.seq}: its {KINDS[self.kind]} is no JSON object")
        return value


def pack_header(kind: int, table: int, seq: int, t_before: int, payload: bytes | memoryview) -> bytes:
    """The 32 bytes that go before the payload (so that a large payload need not be copied)."""
    head = _HEAD.pack(MAGIC, VERSION, kind, table, seq, t_before, len(payload))
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head)))


def pack(kind: int, table: int, seq: int, t_before: int, payload: bytes | dict[str, Any]) -> bytes:
    """A whole frame; a dict becomes JSON."""
    if isinstance(payload, dict):
        payload = json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(payload)} bytes is over the limit of {MAX_PAYLOAD}")
    return pack_header(kind, table, seq, t_before, payload) + payload


class Reader:
    """Bytes in, whole frames out, checked one by one.

    Feed it what came, in pieces of any size; iterate over what is whole. ``pending`` is how many bytes wait
    for the rest of their frame: more than 0 at the end of the stream means that it was cut.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._next_seq = 0

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add bytes; yield each frame that is now whole. Raises BadFrame."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= HEADER_BYTES:
                magic, version, kind, table, seq, t_before, length = _HEAD.unpack_from(buffer, start)
                if magic != MAGIC:
                    raise BadFrame(f"frame {self._next_seq}: starts with {bytes(magic)!r}, not with {MAGIC!r}")
                if version != VERSION:
                    raise BadFrame(
                        f"frame {self._next_seq}: version {version}, but this SantaBPF reads version {VERSION}"
                    )
                if length > MAX_PAYLOAD:
                    raise BadFrame(f"frame {self._next_seq}: says it is {length} bytes long, over the limit")
                end = start + HEADER_BYTES + length
                if len(buffer) < end:
                    break
                payload = bytes(memoryview(buffer)[start + HEADER_BYTES : end])
                (crc,) = _CRC.unpack_from(buffer, start + _HEAD.size)
                if crc != zlib.crc32(payload, zlib.crc32(memoryview(buffer)[start : start + _HEAD.size])):
                    raise BadFrame(f"frame {self._next_seq}: its checksum does not match")
                if kind not in KINDS:
                    raise BadFrame(f"frame {self._next_seq}: unknown kind {kind}")
                if seq != self._next_seq:
                    raise BadFrame(f"frame {seq} came where frame {self._next_seq} was due")
                self._next_seq += 1
                start = end
                yield Frame(kind, table, seq, t_before, payload)
        finally:
            del buffer[:start]


def pack_files(files: dict[str, bytes]) -> bytes:
    """A PROC payload: each file as u16 name length, u32 text length, name, text; in the order given."""
    parts = []
    for name, text in files.items():
        label = name.encode("utf-8", "surrogateescape")
        parts += [_FILE.pack(len(label), len(text)), label, text]
    return b"".join(parts)


def unpack_files(payload: bytes) -> dict[str, bytes]:
    """A PROC payload -> {file name: its bytes}. Raises BadFrame when it is cut."""
    files: dict[str, bytes] = {}
    at = 0
    while at < len(payload):
        if at + _FILE.size > len(payload):
            raise BadFrame("a proc frame ends in the middle of a file")
        name_length, text_length = _FILE.unpack_from(payload, at)
        at += _FILE.size
        end = at + name_length + text_length
        if end > len(payload):
            raise BadFrame("a proc frame ends in the middle of a file")
        files[payload[at : at + name_length].decode("utf-8", "surrogateescape")] = payload[at + name_length : end]
        at = end
    return files
