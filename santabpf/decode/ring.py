"""Raw ring-buffer bytes to rows of one table. Vectorised; knows nothing of frames or watermarks.

A record is 8 bytes of header (u32 length, whose two upper bits say busy and discarded; u32 page offset) and the C
struct of the table, rounded up to 8 bytes. All records of a ring have one size.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ..schema import Schema
from ..wire import BadFrame
from .cgroups import Cgroups
from .columns import Stats, numpy_field, record_batch, to_arrow
from .times import Clock

HEADER_BYTES = 8


class RingTable:
    """Decodes the records of one ring. With selfcheck each record stands between two equal counters (a test build)."""

    def __init__(self, schema: Schema, record_bytes: int, *, selfcheck: bool = False) -> None:
        fields = [("_length", "<u4"), ("_offset", "<u4")]
        fields += [("_check_first", "<u8")] if selfcheck else []
        fields += [numpy_field(column) for column in schema.fields]
        fields += [("_check_last", "<u8")] if selfcheck else []
        self._dtype = np.dtype(fields)
        if self._dtype.itemsize != HEADER_BYTES + record_bytes:
            raise ValueError(
                f"table {schema.table}: the plan says {record_bytes} bytes a record, "
                f"its columns make {self._dtype.itemsize - HEADER_BYTES}"
            )
        if -record_bytes % 8:
            self._dtype = np.dtype([*fields, ("_pad", f"V{-record_bytes % 8}")])
        self.schema, self._record_bytes, self._selfcheck = schema, record_bytes, selfcheck

    def check(self, payload: bytes) -> int:
        """How many records these bytes hold. Raises BadFrame unless all are whole, done and of the one size."""
        count, rest = divmod(len(payload), self._dtype.itemsize)
        if rest:
            raise BadFrame(f"{self.schema.table}: {len(payload)} bytes are no multiple of {self._dtype.itemsize}")
        lengths = np.frombuffer(payload, self._dtype)["_length"]
        if not (lengths == self._record_bytes).all():
            wrong = int(np.argmax(lengths != self._record_bytes))
            said = f"record {wrong} says {lengths[wrong]:#x} bytes, not {self._record_bytes:#x}"
            raise BadFrame(f"{self.schema.table}: {said}")
        return count

    def decode(self, payload: bytes | bytearray, clock: Clock, stats: Stats, cgroups: Cgroups) -> pa.RecordBatch:
        """The rows of bytes that passed check(), in their order in the ring. cgroups: those that are known by now."""
        records = np.frombuffer(payload, self._dtype)
        if self._selfcheck:
            stats.torn += int((records["_check_first"] != records["_check_last"]).sum())
        arrays = cgroups.columns(self.schema, records)
        for column in self.schema.fields:
            if column.kind != "pad":
                length = f"{column.name}_bytes"
                lengths = records[length] if column.kind == "argv" and length in self.schema.names else None
                arrays[column.name] = to_arrow(column, records[column.name], clock, stats, lengths)
        return record_batch(self.schema, arrays, len(records))
