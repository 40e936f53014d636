"""One field of many C structs to one Arrow array. Vectorised: Python runs once per distinct text, never per row."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..probes.procfs import arguments, text
from ..schema import Column, Schema
from . import syscalls
from .qnames import qname
from .stacks import kernel_stacks, user_frames
from .times import LIMIT_NS, Clock

INT64_MAX = (1 << 63) - 1
Values = npt.NDArray[Any]


@dataclass
class Stats:
    """What a decoder has seen so far."""

    frames: int = 0
    bytes: int = 0
    rows: int = 0  # of the probes' tables
    late: int = 0  # of these, rows of seconds that had been closed
    torn: int = 0  # selfcheck: records whose first and last counter differ
    clipped: int = 0  # values over 2**63 - 1, cut to that


def numpy_field(column: Column) -> tuple[str, str]:
    """Name and numpy type under which to_arrow() wants this column: u64 is read as signed, below 0 is too large."""
    return column.name, "<i8" if column.c == "u64" else column.numpy_type


def to_arrow(column: Column, values: Values, clock: Clock, stats: Stats, lengths: Values | None = None) -> pa.Array:
    """The column in its Arrow type. values may be a strided view; lengths are the true lengths of each argv."""
    if column.kind == "text":
        empty = None if column.unknown == 0 else ""
        return _distinct(values, pa.string(), lambda raw: text(raw.partition(b"\0")[0]) or empty)
    if column.kind == "ip":
        return _distinct(values, pa.string(), address)
    if column.kind == "qname":
        return _distinct(values, pa.string(), lambda raw: qname(raw.partition(b"\0")[0], column.c_bytes))
    if column.kind == "argv":
        return _argv(values, lengths)
    if column.kind == "stack":
        return kernel_stacks(values)
    if column.kind == "frames":
        return user_frames(values)
    if column.kind == "syscall":
        return _distinct_numbers(values, syscalls.name)
    if column.kind == "bool":
        return pa.array(values != 0)
    if column.kind == "log2":
        return pa.array(np.left_shift(np.int64(1), np.clip(values, 0, 62).astype(np.int64)))
    unknown = None if column.unknown is None else values == as_read(column)
    numbers = np.array(values, dtype=column.arrow_type.to_pandas_dtype())
    if column.c == "u64" and len(numbers) and numbers.min() < 0:
        stats.clipped += int((numbers < 0).sum())
        numbers[numbers < 0] = INT64_MAX
    if column.kind == "clock":
        if len(numbers) and numbers.max() > LIMIT_NS:
            np.minimum(numbers, LIMIT_NS, out=numbers)
        numbers += clock.offset_ns
    elif column.kind == "start":
        numbers -= numbers % clock.tick_ns
    return pa.array(numbers, mask=unknown)


def address(raw: bytes) -> str | None:
    """16 bytes to the text of an address: IPv4 where it is ::ffff:a.b.c.d, None where all are zero.

    >>> address(bytes(10) + b"\\xff\\xff\\x7f\\0\\0\\1"), address(bytes(15) + b"\\1"), address(bytes(16))
    ('127.0.0.1', '::1', None)
    """
    if not any(raw):
        return None
    number = ipaddress.IPv6Address(raw)
    return str(number.ipv4_mapped or number)


def as_read(column: Column) -> int:
    """The value that means unknown, as it stands in the numpy array."""
    value = column.unknown or 0
    return value - (1 << 64) if column.c == "u64" and value > INT64_MAX else value


def _argv(values: Values, lengths: Values | None) -> pa.Array:
    """argv with its length beside it, so that empty arguments at its end are kept."""
    width = values.dtype.itemsize
    if lengths is None:
        return _distinct(values, pa.list_(pa.string()), lambda raw: arguments(_ended(raw)))
    pairs = np.empty(len(values), dtype=[("raw", f"S{width}"), ("length", "<u4")])
    pairs["raw"], pairs["length"] = values, np.minimum(lengths, width - 1)

    def decode(pair: bytes) -> list[str]:
        return arguments(pair[: int.from_bytes(pair[width:], "little")])

    return _distinct(pairs, pa.list_(pa.string()), decode)


def _ended(raw: bytes) -> bytes:
    """Without the NULs that fill the field, but for the one that ends the last argument."""
    line = raw.rstrip(b"\0")
    return line + b"\0" if line else b""


def _distinct(values: Values, kind: pa.DataType, decode: Any) -> pa.Array:
    """decode() of each value; runs once for each distinct one."""
    width = values.dtype.itemsize
    buffer = pa.py_buffer(np.ascontiguousarray(values).view(np.uint8))
    coded = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(values), [None, buffer]).dictionary_encode()
    return pa.array([decode(raw) for raw in coded.dictionary.to_pylist()], kind).take(coded.indices)


def _distinct_numbers(values: Values, decode: Callable[[int], str]) -> pa.Array:
    """decode() of each number; runs once for each distinct one."""
    coded = pa.array(values).dictionary_encode()
    return pa.array([decode(number) for number in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def record_batch(schema: Schema, arrays: dict[str, pa.Array], rows: int) -> pa.RecordBatch:
    """A batch in the table's Arrow schema; a column that is not given is null."""
    fields = schema.arrow
    return pa.RecordBatch.from_arrays(
        [arrays[f.name] if f.name in arrays else pa.nulls(rows, f.type) for f in fields], schema=fields
    )
