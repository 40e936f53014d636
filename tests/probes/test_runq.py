"""Waits for a CPU: as the kernel itself counts them, and the same in the histogram as one by one."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
#: Waits for a line; then two of them burn on one CPU, and each says how long the kernel made it wait.
SCRIPT = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def waited():
    return int(open("/proc/self/schedstat").read().split()[1])
sys.stdin.readline()
before = waited()  # while it started, which was not recorded
if os.fork() == 0:
    role, before = "second", 0
else:
    role = "first"
end = time.monotonic() + 1.5
while time.monotonic() < end:
    pass
os.write(1, f"{os.getpid()} {waited() - before}\\n".encode())
if role == "first":
    os.wait()
"""


#: Its child's number is 65,536 above its own.
APART = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.stdin.readline()
wanted = os.getpid() + 65536
while True:
    with open("/proc/sys/kernel/ns_last_pid", "w") as stream:
        stream.write(str(wanted - 1))
    child = os.fork()
    if child == 0 and os.getpid() != wanted:
        os._exit(0)  # another process was born in between
    if child in (0, wanted):
        break
    os.waitpid(child, 0)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    pass
if child:
    os.wait()
"""


@pytest.fixture
def burners(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    script = getattr(request, "param", SCRIPT)
    child = subprocess.Popen(
        ["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield child
    child.kill()
    child.communicate()


@pytest.fixture
def high_numbers() -> Iterator[None]:
    """Numbers of processes may be as high as on a node with systemd."""
    most = Path("/proc/sys/kernel/pid_max")
    before = most.read_text()
    most.write_text("4194304")
    yield
    most.write_text(before)


def watched(burners: subprocess.Popen[str], min_wait_ns: int) -> Elf:
    """What an elf that is over saw of them while they burned."""
    assert burners.stdin is not None
    with Elf(plan_of(f"runq:min_wait_ns={min_wait_ns}", scope={"tree": burners.pid})) as elf:
        elf.until(wire.HELLO)
        burners.stdin.write("go\n")
        burners.stdin.flush()
        elf.read(2.5)
        elf.finish()
    return elf


def histogram(payload: bytes) -> dict[int, tuple[int, int]]:
    """log2 of the wait -> how many, and their sum, over all CPUs."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    row = 8 + 16 * cpus
    assert len(payload) % row == 0
    out = {}
    for at in range(0, len(payload), row):
        values = struct.unpack_from(f"<{2 * cpus}Q", payload, at + 8)
        out[struct.unpack_from("<I", payload, at)[0]] = (sum(values[::2]), sum(values[1::2]))
    return out


def test_waits_are_as_long_as_the_kernel_says(burners: subprocess.Popen[str]) -> None:
    assert burners.stdin is not None
    assert burners.stdout is not None
    with Elf(plan_of("runq:min_wait_ns=0", scope={"tree": burners.pid})) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        burners.stdin.write("go\n")
        burners.stdin.flush()
        elf.read(3.0)
        truth = dict(map(int, burners.stdout.readline().split()) for _ in range(2))
        elf.finish()
        rows = elf.records("runq")
        assert set(truth) <= {int(t) for t in rows["tid"]}
        for tid, waited in truth.items():
            seen = int(rows["wait_ns"][rows["tid"] == tid].sum())
            assert waited > 0.3e9
            assert abs(seen - waited) < 0.05 * waited
        competing = rows[(rows["tid"] == burners.pid) & (rows["wait_ns"] > 1_000_000)]
        assert (competing["was_preempted"] == 1).mean() > 0.5
        assert set(competing["comm"]) == {b"python3"}
        assert all(int(t) == burners.pid for t in competing["tgid"])


def test_the_histogram_and_the_single_waits_add_up_to_the_same(burners: subprocess.Popen[str]) -> None:
    elf = watched(burners, 0)
    rows, last = elf.records("runq"), elf.json_of(wire.TICK)[-1]
    readings = [histogram(p) for p in elf.payloads(wire.MAP, "runq_hist")]
    assert last["loss"]["runq"] == {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    assert readings[0] == {}
    assert sum(n for n, _ in readings[-1].values()) == len(rows)
    assert sum(ns for _, ns in readings[-1].values()) == int(rows["wait_ns"].sum())
    for slot, (count, _) in readings[-1].items():
        low = 0 if slot == 0 else 1 << slot
        assert count == int(((rows["wait_ns"] >= low) & (rows["wait_ns"] < 2 << slot)).sum())
    for earlier, later in pairwise(readings):
        assert all(later[slot][0] >= count for slot, (count, _) in earlier.items())


@pytest.mark.usefixtures("high_numbers")
@pytest.mark.parametrize("burners", [APART], indirect=True)
def test_of_two_threads_that_share_a_slot_one_waits_unseen_and_is_counted_as_lost(
    burners: subprocess.Popen[str],
) -> None:
    elf = watched(burners, 1_000_000)
    rows, last = elf.records("runq"), elf.json_of(wire.TICK)[-1]
    assert last["loss"]["runq"]["map_full"] > 50  # 1.5 s of slices of some 3 ms
    assert {int(tid) for tid in rows["tid"]} <= {burners.pid, burners.pid + 65536}
    assert (rows["wait_ns"] < 1_000_000_000).all()


def test_short_waits_are_counted_but_are_no_rows(burners: subprocess.Popen[str]) -> None:
    elf = watched(burners, 3_000_000)
    rows = elf.records("runq")
    assert (rows["wait_ns"] >= 3_000_000).all()
    counted = histogram(elf.payloads(wire.MAP, "runq_hist")[-1])
    assert sum(n for n, _ in counted.values()) >= len(rows)
