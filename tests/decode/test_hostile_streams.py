"""A node may send anything: the decoder never raises, and never returns a broken batch."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import MONO, UTC, Elf, plan

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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["mono_ns", "real_ns", "error_ns", "loss", "programs", "parts", "elf", "switches", "switches/a", "missed",
         "dead_probes", "reason", "probes", "state", "why", "probe", "clock", "message", "user_ns", "reserve_failed"],
    ), inner, max_size=6), max_leaves=20,
)  # fmt: skip
PROC_TEXT = st.binary(max_size=60) | st.sampled_from([stat_of(1, n) for n in (0, 5, 1 << 60)]) | st.just(b"cpu 1 2 3\n")
PROC = st.dictionaries(
    st.sampled_from(["1/stat", "1/cmdline", "1/cgroup", "1/status", "/proc/stat", "/proc/net/dev", "/proc/diskstats"]),
    PROC_TEXT, max_size=4,
).map(wire.pack_files)  # fmt: skip
PAYLOAD = (
    st.binary(max_size=300) | JSON.map(lambda v: json.dumps(v).encode()) | PROC
    | st.lists(st.binary(min_size=24, max_size=24), max_size=3).map(
        lambda rs: b"".join(struct.pack("<II", 24, 0) + r for r in rs))
    | st.integers(0, 3).map(lambda n: b"\xff" * 72 * n)
)  # fmt: skip
FRAME = st.tuples(st.sampled_from(list(wire.KINDS)), st.integers(0, 10), st.integers(0, 1 << 64) | st.just(0), PAYLOAD)


def survive(decoder: Decoder, data: bytes) -> None:
    """Whatever comes, there are only whole batches and no exception."""
    for batch in decoder.feed(data, received_ns=UTC) + decoder.finish():
        assert isinstance(batch.rows, pa.RecordBatch)
        batch.rows.validate(full=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAME, max_size=8), st.booleans())
def test_whole_frames_with_anything_in_them_never_raise(frames: list[Any], near: bool) -> None:
    elf = Elf()
    data = elf.hello()
    for kind, number, t_before, payload in frames:
        t_before = min(MONO + t_before % (100 * SECOND) if near else t_before, (1 << 64) - 1)
        data += wire.pack(kind, number, elf.seq, t_before, payload)
        elf.seq += 1
    survive(Decoder(plan(*EVERYTHING), "node-1"), data)


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
