"""A thread in a cgroup of ours with a CPU limit: its waits are as many and as long as its cpu.stat says."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probes.accounts import RingTally, assert_sound
from real_elf import Elf, decoded, load, plan_of

from santabpf import wire
from santabpf.elf.scope import NoSuchScope, _cgroup_folder

pytestmark = pytest.mark.bpf
PLANTED = 23
PERIOD_US, QUOTA_US = 100_000, 20_000
#: Waits for a line, then burns one CPU until its cgroup has been throttled so often, or for so many seconds.
BURNER = """
import os, sys, time
open("/proc/self/comm", "w").write("santa-burner")
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.stdin.readline()
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end and f"nr_throttled {sys.argv[2]}" not in open(sys.argv[1]).read(): pass
"""
#: Burns the same CPU, without a limit.
BESIDE = ("/usr/bin/python3", "-c", """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
while True: pass
""")  # fmt: skip


class Group:
    """A cgroup of the cpu controller, of either version."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.is_v2 = folder, (folder / "cpu.max").exists()
        # so that after each period it runs at once, whatever else runs here
        folder.joinpath("cpu.weight" if self.is_v2 else "cpu.shares").write_text("10000" if self.is_v2 else "262144")

    def limit(self) -> None:
        if self.is_v2:
            (self.folder / "cpu.max").write_text(f"{QUOTA_US} {PERIOD_US}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(QUOTA_US))

    def stat(self) -> tuple[int, int]:
        """nr_throttled and the throttled ns."""
        lines = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        ns = int(lines["throttled_usec"]) * 1000 if self.is_v2 else int(lines["throttled_time"])
        return int(lines["nr_throttled"]), ns

    def burn(self, limited: Group, seconds: float = 10) -> int:
        """A process in this cgroup that burns until `limited` has been throttled 23 times; its id."""
        argv = [str(limited.folder / "cpu.stat"), str(PLANTED), str(seconds)]
        child = subprocess.Popen(["/usr/bin/python3", "-c", BURNER, *argv], stdin=subprocess.PIPE)
        try:
            (self.folder / "cgroup.procs").write_text(str(child.pid))
            child.communicate(b"\n", timeout=20)
        finally:
            child.kill()
            child.wait()
        return child.pid


@contextlib.contextmanager
def made(folder: Path) -> Iterator[Path]:
    """The folder of a cgroup, removed when nobody is in it any more."""
    folder.mkdir()
    try:
        yield folder
    finally:
        deadline = time.monotonic() + 5
        while (folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        folder.rmdir()


@pytest.fixture
def group() -> Iterator[Group]:
    """A cgroup below this process's."""
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    controller = "cpu" if any("cpu" in names.split(",") for _, names, _ in rows) else ""
    own = next(path for _, names, path in rows if controller in names.split(","))
    try:
        parent = Path(_cgroup_folder(own, controller))
    except NoSuchScope as exc:
        pytest.skip(str(exc))
    with made(parent / f"santabpf-throttle-{os.getpid()}") as folder:
        if not (folder / "cpu.max").exists() and not (folder / "cpu.cfs_quota_us").exists():
            pytest.skip("this cgroup can't be limited: its parent does not pass the cpu controller on")
        yield Group(folder)


def path_of(folder: Path) -> str:
    """A cgroup's path from the root of its hierarchy."""
    parts = folder.relative_to("/sys/fs/cgroup").parts
    return "/" + "/".join(parts if Path("/sys/fs/cgroup/cgroup.controllers").exists() else parts[1:])


def sums(elf: Elf) -> dict[tuple[int, bytes], tuple[int, int]]:
    """(cgroup, comm) -> how many waits, and their sum, over all CPUs."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    payload, out = elf.payloads(wire.MAP, "throttle_sum")[-1], {}
    for at in range(0, len(payload), 24 + 16 * cpus):
        cgroup_id, comm = struct.unpack_from("<Q16s", payload, at)
        values = struct.unpack_from(f"<{2 * cpus}Q", payload, at + 24)
        out[cgroup_id, comm.rstrip(b"\0")] = (sum(values[::2]), sum(values[1::2]))
    return out


def record(plan: dict[str, Any], where: Group, limited: Group, seconds: float = 10) -> tuple[Elf, Any, int]:
    """The finished elf, the rows of the burner, and its id."""
    with Elf(plan) as elf:
        assert elf.until(wire.HELLO).json()["probes"]["throttle"]["state"] == "on"
        elf.read(0.2)
        pid = where.burn(limited, seconds)
        elf.read(0.5)
        elf.finish()
    rows: np.ndarray[Any, Any] = elf.records("throttle")
    return elf, rows[rows["tgid"] == pid], pid


def assert_as_long(rows: Any, throttled_ns: int) -> None:
    """As long as the group was throttled, and what the thread then waited for a CPU: 20 ms each at most."""
    assert 0.9 * throttled_ns < int(rows["wait_ns"].sum()) < 1.1 * throttled_ns + PLANTED * 20_000_000


def test_23_throttled_periods_are_23_waits_as_long_as_cpu_stat_says(group: Group) -> None:
    group.limit()
    elf, rows, pid = record(plan_of("throttle"), group, group)
    periods, throttled_ns = group.stat()
    assert periods == PLANTED
    # on a busy machine the CPU may come so late that the next period is over before it has run: two are one wait then
    assert PLANTED - 2 <= len(rows) <= PLANTED
    assert_as_long(rows, throttled_ns)
    own = group.folder.stat().st_ino
    for name, value in {
        "tid": pid, "cgroup_id": own, "limited_cgroup_id": own, "comm": b"santa-burner",
        "quota_ns": QUOTA_US * 1000, "period_ns": PERIOD_US * 1000,
    }.items():  # fmt: skip
        assert set(rows[name].tolist()) == {value}, name
    assert (np.diff(rows["group_throttled_ns"].astype(np.int64)) > 0).all()
    assert int(rows["group_throttled_ns"][-1]) == throttled_ns
    assert int(rows["group_throttled"][-1]) in (PLANTED - 1, PLANTED)
    assert sums(elf)[own, b"santa-burner"] == (PLANTED, int(rows["wait_ns"].sum()))


def test_where_whole_queues_are_throttled_the_waits_are_as_long(group: Group) -> None:
    plan = plan_of("throttle")
    plan["probes"][0]["btf"]["OFF_TASK_THROTTLED"] = "task_struct.pid"  # as in a kernel without task_struct.throttled
    group.limit()
    _, rows, _ = record(plan, group, group)
    _, throttled_ns = group.stat()
    # where the kernel does throttle thread by thread, one that is preempted on its way out counts twice
    assert PLANTED - 2 <= (rows["wait_ns"] > PERIOD_US * 100).sum() <= PLANTED
    assert_as_long(rows, throttled_ns)


def test_the_limit_may_stand_on_a_cgroup_above(group: Group) -> None:
    group.limit()
    if group.is_v2:
        (group.folder / "cgroup.subtree_control").write_text("+cpu")
    with made(group.folder / "below") as folder:
        elf, rows, pid = record(plan_of("throttle"), Group(folder), group)
        assert len(rows) == PLANTED
        assert set(rows["cgroup_id"].tolist()) == {folder.stat().st_ino}
    assert set(rows["limited_cgroup_id"].tolist()) == {group.folder.stat().st_ino}
    own = path_of(group.folder)
    named = [row for row in decoded(elf, "throttle") if row["tgid"] == pid]
    assert {(row["cgroup"], row["limited_cgroup"]) for row in named} == {(f"{own}/below", own)}
    assert f"{own}/below" in {row["cgroup"] for row in decoded(elf, "throttle_sum")}


def test_short_waits_are_counted_but_are_no_rows(group: Group) -> None:
    group.limit()
    elf, rows, _ = record(plan_of("throttle:min_wait_ns=1000000000"), group, group)
    assert len(rows) == 0
    assert sums(elf)[group.folder.stat().st_ino, b"santa-burner"][0] == PLANTED


@pytest.mark.parametrize("beside", [False, True])
def test_that_the_cpu_went_idle_is_what_its_switches_say(group: Group, beside: bool) -> None:
    """Beside one that could always run, it never does. Alone it does, as often as nobody else came."""
    group.limit()
    with load(BESIDE) if beside else contextlib.nullcontext():
        elf, rows, pid = record(plan_of("throttle", "switches"), group, group)
    assert not any(elf.json_of(wire.TICK)[-1]["loss"]["switches"].values())
    left = elf.records("switches")
    left = left[left["prev_tid"] == pid]
    at = left["ts_ns"].astype(np.int64)
    began = rows["ts_ns"].astype(np.int64) - rows["wait_ns"].astype(np.int64)
    followers = [int(left["next_tid"][np.abs(at - ns).argmin()]) for ns in began]
    assert len(rows) >= PLANTED - 2
    assert rows["cpu_went_idle"].tolist() == [tid == 0 for tid in followers]
    assert (0 in followers) == (not beside)


def test_burning_without_a_limit_is_no_throttling(group: Group) -> None:
    elf, rows, _ = record(plan_of("throttle"), group, group, seconds=1)
    assert len(rows) == 0
    assert (group.folder.stat().st_ino, b"santa-burner") not in sums(elf)


def test_no_record_is_torn_and_they_add_up(group: Group) -> None:
    group.limit()
    tally = RingTally("throttle", 1)
    with Elf(plan_of("throttle:min_wait_ns=0", selfcheck=True), tally) as elf:
        elf.until(wire.HELLO)
        group.burn(group)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"]["throttle"], last["truth"]["throttle"])
    assert tally.kept >= PLANTED
