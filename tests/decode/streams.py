"""Plans and streams to test with: what an elf would send, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from santabpf import wire
from santabpf.decode import Batch, Decoder
from santabpf.probes import get_probe
from santabpf.units import SECOND

#: The node's clocks at its hello: monotonic 1000 s, UTC 2026-05-01 12:00:00.
MONO = 1000 * SECOND
UTC = 1_777_636_800 * SECOND
OFFSET = UTC - MONO
CPUS = 4


def plan(*probes: str, selfcheck: bool = False) -> dict[str, Any]:
    """The plan for these probes, as far as the decoder reads it."""
    out: list[dict[str, Any]] = []
    number = 0
    for name in probes:
        tables = []
        for table in get_probe(name).tables:
            number += 1
            row: dict[str, Any] = {"id": number, "name": table.name, "source": table.source}
            if table.source == "ring":
                row["record_bytes"] = sum(c.c_bytes for c in table.schema.fields) + 16 * selfcheck
            if table.source == "map":
                row["key_bytes"] = sum(c.c_bytes for c in table.keys)
                row["value_bytes"] = sum(c.c_bytes for c in table.values)
            tables.append(row)
        out.append({"name": name, "selfcheck": selfcheck, "tables": tables})
    return {"version": 1, "probes": out}


def hello(**changes: Any) -> dict[str, Any]:
    """A hello of a node whose clocks stand at MONO and UTC, armed at that moment."""
    return {
        "version": 1, "elf": "0.1.0", "boot_id": "b", "kernel": "6.1.0", "machine": "x86_64", "cpus": 2,
        "possible_cpus": CPUS, "clock_tick_hz": 100, "page_bytes": 4096, "memory_bytes": 1 << 30,
        "clock": {"mono_ns": MONO, "real_ns": UTC, "error_ns": 200}, "armed_ns": MONO, **changes,
    }  # fmt: skip


def tick(at_s: float, *, real_ns: int | None = None, **changes: Any) -> dict[str, Any]:
    """A tick, at_s seconds after the hello."""
    mono_ns = MONO + round(at_s * SECOND)
    real_ns = mono_ns + OFFSET if real_ns is None else real_ns
    return {"mono_ns": mono_ns, "real_ns": real_ns, "error_ns": 200, "loss": {}, "programs": {}, **changes}


class Elf:
    """Numbers the frames of one stream."""

    def __init__(self) -> None:
        self.seq = 0

    def frame(self, kind: int, payload: bytes | dict[str, Any], table: int = 0, at_s: float = 0.0) -> bytes:
        """The next frame; its t_before is at_s seconds after the hello."""
        out = wire.pack(kind, table, self.seq, MONO + round(at_s * SECOND), payload)
        self.seq += 1
        return out

    def hello(self, **changes: Any) -> bytes:
        return self.frame(wire.HELLO, hello(**changes))

    def tick(self, at_s: float, **changes: Any) -> bytes:
        return self.frame(wire.TICK, tick(at_s, **changes), at_s=at_s)

    def ring(self, payload: bytes, at_s: float, table: int = 1) -> bytes:
        return self.frame(wire.RING, payload, table, at_s)

    def bye(self, reason: str = "asked") -> bytes:
        return self.frame(wire.BYE, {"reason": reason})


def ring(table: str, rows: list[dict[str, Any]], *, checks: list[tuple[int, int]] | None = None) -> bytes:
    """Ring bytes that hold these rows; ts_ns is given in seconds after the hello, fields not named are zero."""
    from santabpf.tables import table_schema

    schema = table_schema(table)
    fields = [("first", "<u8"), *((c.name, c.numpy_type) for c in schema.fields), ("last", "<u8")]
    dtype = np.dtype(fields if checks else fields[1:-1])
    out = b""
    for i, row in enumerate(rows):
        record = np.zeros(1, dtype)
        for name, value in row.items():
            record[name] = MONO + round(value * SECOND) if name == "ts_ns" else value
        if checks:
            record["first"], record["last"] = checks[i]
        raw = record.tobytes()
        out += len(raw).to_bytes(4, "little") + bytes(4) + raw + bytes(-len(raw) % 8)
    return out


def table(batches: list[Batch], name: str) -> list[dict[str, Any]]:
    """All rows of one table, as dictionaries."""
    return [row for batch in batches if batch.table == name for row in batch.rows.to_pylist()]


def decode(the_plan: dict[str, Any], *frames: bytes, finish: str = "connection_lost") -> tuple[Decoder, list[Batch]]:
    """The whole stream at once."""
    decoder = Decoder(the_plan, "node-1")
    batches = decoder.feed(b"".join(frames))
    batches += decoder.finish(finish)
    assert all(isinstance(batch.rows, pa.RecordBatch) for batch in batches)
    return decoder, batches
