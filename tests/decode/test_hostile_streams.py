"""A node may send anything: the decoder never raises, and never returns a broken batch."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import MONO, UTC, Elf, hello, plan, tick

from santabpf import wire
from santabpf.decode import Decoder
from santabpf.units import SECOND

GOLDEN = Path(__file__).parent / "golden"
GOOD = (GOLDEN / "good.frames").read_bytes()
GOLDEN_PLAN = json.loads((GOLDEN / "plan.json").read_text())
EVERYTHING = ("exec", "exit", "fork", "metrics", "process_cpu", "processes", "runq", "switches")


def stat_of(pid: int, utime: int = 0) -> bytes:
    head = f"{pid} (init) S 0 {pid} {pid} 0 -1 4194304 0 0 0 0 {utime} 0 0 0 20 0 1 0 7 4096 10"
    return (head + " 18446744073709551615" + " 0" * 27).encode()


TEXT = st.text(st.characters(exclude_categories=()), max_size=5)  # JSON may hold halves of surrogate pairs
KEYS = [
    "mono_ns",
    "real_ns",
    "error_ns",
    "loss",
    "programs",
    "parts",
    "elf",
    "switches",
    "switches/a",
    "missed",
    "runs",
    "dead_probes",
    "reason",
    "probes",
    "state",
    "why",
    "probe",
    "clock",
    "message",
    "user_ns",
    "reserve_failed",
    "tables",
    "id",
    "hostname",
    "capabilities",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXT, inner, max_size=6),
    max_leaves=20,
)
PROC_TEXT = st.binary(max_size=60) | st.sampled_from([stat_of(1, n) for n in (0, 5, 1 << 60)]) | st.just(b"cpu 1 2 3\n")
PROC = st.dictionaries(
    st.sampled_from(["1/stat", "1/cmdline", "1/cgroup", "1/status", "/proc/stat", "/proc/net/dev", "/proc/diskstats"]),
    PROC_TEXT, max_size=4,
).map(wire.pack_files)  # fmt: skip
PLAN = plan(*EVERYTHING)
RINGS = {t["id"]: t["record_bytes"] for probe in PLAN["probes"] for t in probe["tables"] if t["source"] == "ring"}


def records(number: int, fill: bytes, count: int) -> tuple[int, int, bytes]:
    """Records with a header that is right and anything in their fields."""
    size = RINGS[number]
    record = struct.pack("<II", size, 0) + (fill * (size // len(fill) + 1))[:size] + bytes(-size % 8)
    return wire.RING, number, record * count


def tick_with(extra: Any) -> tuple[int, int, bytes]:
    """A tick that is right where it must be, with anything else."""
    right = {key: value for key, value in tick(50.0).items() if key.endswith("_ns")}
    said = extra if isinstance(extra, dict) else {"loss": extra, "parts": extra, "dead_probes": extra}
    return wire.TICK, 0, json.dumps({**said, **right}).encode()


ANY = st.binary(max_size=300) | JSON.map(lambda v: json.dumps(v).encode()) | PROC
FRAME = (
    st.tuples(st.sampled_from(list(wire.KINDS)), st.integers(0, 10), ANY)
    | st.builds(records, st.sampled_from(list(RINGS)), st.binary(min_size=1, max_size=40), st.integers(1, 3))
    | JSON.map(tick_with)
    | st.tuples(st.just(wire.PROC), st.sampled_from([4, 5, 6]), PROC)
    | st.tuples(st.just(wire.MAP), st.just(8), st.integers(0, 3).map(lambda n: b"\xff" * 72 * n))
)


def survive(decoder: Decoder, data: bytes) -> None:
    """Whatever comes, there are only whole batches and no exception."""
    for batch in decoder.feed(data, received_ns=UTC) + decoder.finish():
        assert isinstance(batch.rows, pa.RecordBatch)
        batch.rows.validate(full=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, (1 << 64) - 1), FRAME), max_size=8), st.booleans())
def test_whole_frames_with_anything_in_them_never_raise(frames: list[Any], near: bool) -> None:
    elf = Elf()
    data = elf.hello()
    for at_ns, (kind, number, payload) in frames:
        data += wire.pack(kind, number, elf.seq, MONO + at_ns % (100 * SECOND) if near else at_ns, payload)
        elf.seq += 1
    survive(Decoder(PLAN, "node-1"), data)


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from(sorted(hello())), JSON)
def test_a_hello_with_anything_in_it_never_raises(everything: Any, key: str, value: Any) -> None:
    elf = Elf()
    changed = elf.frame(wire.HELLO, {**hello(), key: value, "probes": everything, "tables": value})
    survive(Decoder(PLAN, "node-1"), changed + elf.ring(b"", 1.0) + elf.tick(1.0))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 7))
def test_bytes_put_or_changed_anywhere_never_raise(noise: bytes, at: int, bit: int) -> None:
    survive(Decoder(GOLDEN_PLAN, "node-1"), GOOD[:at] + noise + GOOD[at:])
    changed = bytearray(GOOD)
    changed[at % len(GOOD)] ^= 1 << bit
    survive(Decoder(GOLDEN_PLAN, "node-1"), bytes(changed))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 16), st.data())
def test_a_changed_payload_with_a_checksum_that_fits_never_raises(number: int, data: st.DataObject) -> None:
    frames = list(wire.Reader().feed(GOOD))
    payload = bytearray(frames[number].payload)
    if payload:
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    frames[number] = frames[number]._replace(payload=bytes(payload))
    survive(
        Decoder(GOLDEN_PLAN, "node-1"),
        b"".join(wire.pack(f.kind, f.table, f.seq, f.t_before, f.payload) for f in frames),
    )
