"""The tallies of the tests themselves: what they are there to find, they find."""

from __future__ import annotations

import numpy as np
import pytest
from probes.accounts import MapTally, RingTally
from real_elf import record_type

from santabpf import wire
from santabpf.probes import all_probes

TEXTS = {b"": 0, b"sh": 0, b"x" * 16: 0, b"sh\0secret": 1, b"\0secret": 1, b"x" * 14 + b"\0x": 1}


@pytest.mark.parametrize("comm", TEXTS)
def test_a_byte_behind_the_end_of_a_text_is_found(comm: bytes) -> None:
    record = np.zeros(3, record_type("exit", selfcheck=True))
    record["length"], record["ts_ns"] = record.dtype.itemsize - 8, 1
    record["comm"][1] = comm
    tally = RingTally("exit", 7)
    assert tally(wire.Frame(wire.RING, 7, 0, 0, record.tobytes()))
    assert (tally.kept, tally.torn, tally.misplaced, tally.leaking) == (3, 0, 0, TEXTS[comm])


@pytest.mark.parametrize("comm", TEXTS)
def test_in_the_key_of_a_map_too(comm: bytes) -> None:
    table = next(t for t in all_probes()["opens"].tables if t.name == "opens_count")
    tally = MapTally(table)
    tally.take(bytes(16) + comm.ljust(16, b"\0") + bytes(16), 1)
    assert tally.leaking == TEXTS[comm]
