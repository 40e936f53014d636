"""Perf's records of what processes map to rows of `mappings`.

In: perf records as the kernel wrote them (include/uapi/linux/perf_event.h), each with the node's monotonic time in its
last 8 bytes; of other kinds than PERF_RECORD_MMAP2, _FORK (of processes) and _LOST nothing is made. Out: rows, and how
many records were lost. Never trusts a length.
"""

from __future__ import annotations

import struct

import pyarrow as pa

from ..probes.procfs import text
from ..tables import table_schema
from ..wire import BadFrame
from .times import LIMIT_NS, Clock

_HEADER = struct.Struct("<IHH")
_MMAP2 = struct.Struct("<IIQQQB3x20sII")
_FORK = struct.Struct("<IIIIQ")
_LOST_KIND, _FORK_KIND, _MMAP2_KIND, _HAS_BUILD_ID = 2, 7, 10, 1 << 14
_INT64_MAX = (1 << 63) - 1
BUILD_ID_BYTES = 20


def read_mappings(payload: bytes, clock: Clock) -> tuple[pa.RecordBatch, int]:
    """The rows of one frame, and the records that found no room. Raises BadFrame."""
    rows: list[tuple[int | str | None, ...]] = []
    lost = at = 0
    while at < len(payload):
        if at + _HEADER.size > len(payload):
            raise BadFrame("mappings: the last record is cut")
        kind, flags, size = _HEADER.unpack_from(payload, at)
        record = payload[at + _HEADER.size : at + size]
        if size < 16 or size % 8 or at + size > len(payload):
            raise BadFrame(f"mappings: a record of {size} bytes does not fit")
        at += size
        if kind == _LOST_KIND and len(record) >= 24:
            lost += min(int.from_bytes(record[8:16], "little"), _INT64_MAX >> 20)
        elif kind == _FORK_KIND and len(record) >= _FORK.size:
            tgid, parent, *_ = _FORK.unpack_from(record)
            if tgid != parent:  # else it is a new thread
                rows.append((_time(record, clock), _pid(tgid), *[None] * 6, _pid(parent)))
        elif kind == _MMAP2_KIND and len(record) >= _MMAP2.size + 8:
            rows.append(_row(record, bool(flags & _HAS_BUILD_ID), clock))
    columns = zip(*rows, strict=True) if rows else [[] for _ in table_schema("mappings").columns]
    schema = table_schema("mappings").arrow
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema), lost


def _row(record: bytes, has_build_id: bool, clock: Clock) -> tuple[int | str | None, ...]:
    tgid, _, address, length, pgoff, id_bytes, build_id, _, _ = _MMAP2.unpack_from(record)
    path = record[_MMAP2.size : -8].partition(b"\0")[0]
    known = has_build_id and 0 < id_bytes <= BUILD_ID_BYTES
    text_id = build_id[:id_bytes].ljust(BUILD_ID_BYTES, b"\0").hex() if known else None
    return (
        _time(record, clock), _pid(tgid), None, min(address, _INT64_MAX), min(length, _INT64_MAX),
        min(pgoff, _INT64_MAX), text(path), text_id, None,
    )  # fmt: skip


def _time(record: bytes, clock: Clock) -> int:
    return min(int.from_bytes(record[-8:], "little"), LIMIT_NS) + clock.offset_ns


def _pid(raw: int) -> int:
    return min(raw, (1 << 31) - 1)
