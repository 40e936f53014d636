"""Stacks in C arrays to Arrow lists, innermost frame first. Vectorised: Python runs once per distinct user frame.

In: the raw bytes of columns of the kinds `stack` and `frames` (see schema.py), one array a row. Out: list arrays.
A list is empty where there was no stack, null where it could not be read. Never: names; those come from `symbols`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schema import FRAME_BYTES

Values = npt.NDArray[Any]
#: In the place of the first kernel address, or of the first frame's status: the stack could not be read.
UNREADABLE_ADDRESS, UNREADABLE_STATUS = 1, -1
_BUILD_ID, _ADDRESS = 1, 2  # enum in include/uapi/linux/bpf.h: BPF_STACK_BUILD_ID_VALID, BPF_STACK_BUILD_ID_IP
_ENTRY = np.dtype([("status", "<i4"), ("id", "V20"), ("value", "<u8")])


def kernel_stacks(values: Values) -> pa.Array:
    """u64[N] a row -> list<int64>: the addresses up to the first 0."""
    stacks = np.ascontiguousarray(values).view("<i8").reshape(len(values), values.dtype.itemsize // 8)
    return _lists(stacks != 0, stacks[:, 0] == UNREADABLE_ADDRESS, lambda kept: pa.array(stacks[kept]))


def user_frames(values: Values) -> pa.Array:
    """Entries of struct bpf_stack_build_id -> list<string>, up to the first that is neither of the known ones."""
    entries = np.ascontiguousarray(values).view(_ENTRY).reshape(len(values), values.dtype.itemsize // FRAME_BYTES)
    known = (entries["status"] == _BUILD_ID) | (entries["status"] == _ADDRESS)
    return _lists(known, entries["status"][:, 0] == UNREADABLE_STATUS, lambda kept: _texts(entries[kept]))


def _lists(is_frame: Values, unreadable: Values, take: Any) -> pa.Array:
    """The frames of each row before the first that is none."""
    kept = np.logical_and.accumulate(is_frame, axis=1) & ~unreadable[:, None]
    offsets = np.zeros(len(kept) + 1, np.int32)
    np.cumsum(kept.sum(axis=1), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), take(kept), mask=pa.array(unreadable))


def _texts(entries: Values) -> pa.Array:
    buffer = pa.py_buffer(np.ascontiguousarray(entries).view(np.uint8))
    frames = pa.FixedSizeBinaryArray.from_buffers(pa.binary(FRAME_BYTES), len(entries), [None, buffer])
    coded = frames.dictionary_encode()
    return pa.array([_text(raw) for raw in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _text(entry: bytes) -> str:
    value = int.from_bytes(entry[24:], "little")
    if entry[0] == _ADDRESS:
        return f"{value:#x}"
    if value >> 63:  # the kernel looks for the file at an address or next after it; this one lies before the file
        return f"{entry[4:24].hex()}-{(1 << 64) - value:#x}"
    return f"{entry[4:24].hex()}+{value:#x}"
