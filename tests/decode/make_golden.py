"""How tests/decode/golden/ was made, once. It is NEVER regenerated: those bytes are the contract, this is its recipe.

    good.frames      every kind of frame, tables from a ring, a map and /proc; good.json is what it must become
    cut.frames       the same, ended in the middle of a frame
    flipped.frames   the same, one bit of one payload flipped
    newer.frames     the same, its third frame of version 2

plan.json is the plan they answer. A change that these can't stand is a new version of the frames, with new files.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path

from streams import MONO, Elf, plan, ring

from santabpf import wire

GOLDEN = Path(__file__).parent / "golden"
PROBES = ("switches", "runq", "process_cpu")


def stat(pid: int, comm: str, utime: int, stime: int) -> bytes:
    """One /proc/PID/stat of a process that started 12.34 s after the boot."""
    head = f"{pid} ({comm}) S 1 {pid} {pid} 0 -1 4194304 120 0 0 0 {utime} {stime} 0 0 20 0 3 0 1234 8192000 250"
    return (head + " 18446744073709551615 1 1" + " 0" * 25 + "\n").encode()


def histogram(*slots: tuple[int, int, int]) -> bytes:
    """Entries of runq_hist: slot, waits and their sum on CPU 1; nothing on the others."""
    out = b""
    for slot, waits, total in slots:
        out += struct.pack("<II", slot, 0) + bytes(16) + struct.pack("<QQ", waits, total) + bytes(32)
    return out


def good() -> list[bytes]:
    """The frames of a recording of 2.5 s."""
    elf = Elf()
    first = [{"ts_ns": 0.25, "prev_tid": 11, "next_tid": 12, "prev_state": 1, "cpu": 0},
             {"ts_ns": 0.75, "prev_tid": 12, "next_tid": 0, "prev_state": 2, "cpu": 1}]  # fmt: skip
    slow = [{"ts_ns": 1.5, "start_ns": 12_345_678_901, "wait_ns": 20_000_000, "tgid": 12, "tid": 13, "prev_tid": 0,
             "cpu": 1, "was_preempted": 1, "comm": b"w\xc3\xb6rker\xff", "prev_comm": b"sixteen bytes ok"}]  # fmt: skip
    loss = {"switches": {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}}
    lost = {"switches": {"reserve_failed": 7, "map_full": 0, "buffer_dropped": 0}}
    programs = {"switches/sched_switch": {"runs": 2, "run_ns": 900, "missed": 0},
                "runq/sched_switch": {"runs": None, "run_ns": None, "missed": None}}  # fmt: skip
    parts = {"elf": {"user_ns": 1_000_000, "system_ns": 2_000_000, "private_bytes": 5_600_000, "sent_bytes": 500}}
    return [
        elf.hello(armed_ns=MONO, probes={name: {"state": "on", "why": None, "missing": []} for name in PROBES}),
        elf.frame(wire.MAP, histogram((20, 5, 6_000_000)), 3, 0.0),
        elf.frame(wire.PROC, wire.pack_files({"12/stat": stat(12, "a) b", 5, 6)}), 4, 0.0),
        elf.ring(ring("switches", first), 0.9, 1),
        elf.ring(b"", 0.9, 2),
        elf.frame(wire.MAP, histogram((20, 5, 6_000_000), (24, 2, 40_000_000)), 3, 1.002),
        elf.frame(wire.PROC, wire.pack_files({"12/stat": stat(12, "a) b", 15, 6)}), 4, 1.003),
        elf.tick(1.004, loss=loss, programs=programs, parts=parts),
        elf.ring(b"", 1.1, 1),
        elf.frame(
            wire.TROUBLE, {"code": "internal", "message": "Words.", "what_to_do": "", "probe": None, "fatal": False}
        ),
        elf.ring(ring("runq", slow), 1.6, 2),
        elf.frame(wire.MAP, histogram((20, 6, 6_900_000), (24, 2, 40_000_000)), 3, 2.001),
        elf.frame(wire.PROC, wire.pack_files({}), 4, 2.002),
        elf.tick(2.003, loss=lost, programs=programs, parts=parts),
        elf.ring(b"", 2.5, 1),
        elf.ring(b"", 2.5, 2),
        elf.bye(),
    ]


def newer(frames: list[bytes]) -> bytes:
    """The same, with version 2 in the header of the third frame and a checksum that fits."""
    head = bytearray(frames[2][: wire.HEADER_BYTES - 4])
    head[4] = wire.VERSION + 1
    payload = frames[2][wire.HEADER_BYTES :]
    third = bytes(head) + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload
    return b"".join([*frames[:2], third, *frames[3:]])


def write() -> None:
    """Write all four, but never over one that exists."""
    frames = good()
    whole = b"".join(frames)
    flipped = bytearray(whole)
    flipped[len(b"".join(frames[:3])) + wire.HEADER_BYTES + 5] ^= 0x10
    GOLDEN.mkdir(exist_ok=True)
    for name, data in {
        "good.frames": whole,
        "cut.frames": b"".join(frames[:6]) + frames[6][:-9],
        "flipped.frames": bytes(flipped),
        "newer.frames": newer(frames),
        "plan.json": json.dumps(plan(*PROBES), indent=1).encode(),
    }.items():
        with open(GOLDEN / name, "xb") as out:
            out.write(data)


if __name__ == "__main__":
    sys.exit(write())
