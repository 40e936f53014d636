"""Every drill that ships: whatever it provokes, nothing of it is left when its runner is killed in the midst of it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import leftovers
from on_the_node import Traces

from santabpf.gym.variants import variants
from santabpf.scenarios import all_scenarios

DRILLS = [name for name, s in all_scenarios().items() if (s.folder / "reproduce.sh").is_file()]
READ = {"x86_64": "0", "aarch64": "63"}  # the number of read(2)
SETUP_S = 120.0
BUSY_S = 2.0
GONE_S = 30.0

RUNNER = """
import sys
from santabpf.gym import reproduce
say = lambda line: (print(line, flush=True), sys.stdin.readline())  # the script's word is ours to give
reproduce(sys.argv[1], sys.argv[2], seconds=30, say=say)
"""


def devices() -> set[str]:
    """All network interfaces of this machine's own namespace, and the files behind all its loop devices."""
    found = {path.name for path in Path("/sys/class/net").iterdir()}
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # gone meanwhile
            found.add(path.read_text().strip())
    return found


def wait_for(what: Callable[[], Any], timeout_s: float) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + timeout_s
    while not what() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(what())


def inside(cgroup: Path) -> tuple[str, list[str]]:
    """A cell's first process (the guardian's child), and the others: the script, and what it started. Or OSError."""
    guardian = cgroup.parent.name.rpartition("-")[2]
    first = Path(f"/proc/{guardian}/task/{guardian}/children").read_text().strip()
    return first, [pid for pid in (cgroup / "cgroup.procs").read_text().split() if pid != first]


def is_set_up(cgroup: Path) -> bool:
    """Is a process of this cell about to read the word, which only the cell's first can give? Or are they all over?"""
    with contextlib.suppress(OSError):  # one has ended meanwhile
        first, script = inside(cgroup)
        pipes = {os.readlink(end) for end in Path(f"/proc/{first}/fd").iterdir()}
        read = [READ[platform.machine()], "0x0"]
        reading = [pid for pid in script if Path(f"/proc/{pid}/syscall").read_text().split()[:2] == read]
        return not script or any(os.readlink(f"/proc/{pid}/fd/0") in pipes for pid in reading)
    return False


def is_at_work(cgroup: Path) -> bool:
    """Does the script of this cell still run?"""
    with contextlib.suppress(OSError):  # the cell has ended
        return bool(inside(cgroup)[1])
    return False


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("name", DRILLS)
def test_nothing_is_left_of_a_drill_whose_runner_is_killed(name: str) -> None:
    before, files = devices(), [Path("/etc/passwd").read_bytes(), Path("/etc/resolv.conf").read_bytes()]
    runners: dict[str, subprocess.Popen[str]] = {}
    cells: dict[str, Path] = {}
    said: dict[str, str] = {}
    try:
        for variant in variants(all_scenarios()[name].folder):
            command = [sys.executable, "-c", RUNNER, name, variant]
            runners[variant] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )  # fmt: skip
        for variant, runner in runners.items():
            assert runner.stdout is not None
            cells[variant] = Path(runner.stdout.readline().rpartition(" ")[2].rstrip())
        for variant in runners:
            assert wait_for(functools.partial(is_set_up, cells[variant]), SETUP_S), f"{variant} was never ready"
        for runner in runners.values():
            assert runner.stdin is not None
            runner.stdin.write("go\n")
            runner.stdin.flush()
        time.sleep(BUSY_S)
        over = {variant: runner.wait(GONE_S) for variant, runner in runners.items() if not is_at_work(cells[variant])}
    finally:
        for variant, runner in runners.items():
            runner.kill()
            said[variant] = runner.communicate()[1]
    keys = {variant: int(cell.parent.name.rpartition("-")[2]) for variant, cell in cells.items()}
    # devices of other tests, that run beside it, go too
    wait_for(lambda: not any(map(leftovers, keys.values())) and devices() <= before, GONE_S)
    assert {variant: left for variant, key in keys.items() if (left := leftovers(key))} == {}
    assert devices() <= before
    assert [Path("/etc/passwd").read_bytes(), Path("/etc/resolv.conf").read_bytes()] == files
    failed = {variant: said[variant].strip().rpartition("\n")[2] for variant, code in over.items() if code != 0}
    is_missing = failed and all("is not installed here" in why for why in failed.values())
    if is_missing and not os.environ.get("SANTABPF_REQUIRE"):
        pytest.skip("; ".join(failed.values()))
    assert failed == {}, "each must have been at work, or over, when its runner was killed"


def networks() -> set[str]:
    """The network namespaces in which anything runs."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(link))
    return found


@pytest.mark.bpf
@pytest.mark.usefixtures("cells")
def test_nothing_is_left_of_a_drill_that_is_killed_while_it_is_recorded(tmp_path: Path, traces: Traces) -> None:
    devices_before, networks_before, drill = devices(), networks(), {}

    def has_begun() -> bool:
        for path in tmp_path.glob("santabpf-drill-*/*/recording.json"):
            drill.update(json.loads(path.read_text()))
        return bool((drill.get("drill") or {}).get("onset_ns")) or runner.poll() is not None

    with subprocess.Popen(
        [sys.executable, "-m", "santabpf", "drill", "slow_fsync", "--variant", "device", "--seconds", "60"],
        env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as runner:  # fmt: skip
        try:
            assert wait_for(has_begun, SETUP_S)
            elves, processes = traces.elves_below(runner.pid), traces.descendants(runner.pid)
            programs = traces.programs_of(elves)
            made, joined = devices() - devices_before, networks() - networks_before
            key = int(Path(drill["scope"]["cgroup"]).parent.name.rpartition("-")[2])
            left = leftovers(key)
        finally:
            runner.kill()
            said = runner.communicate()[1]
    assert runner.returncode == -9, said
    assert elves
    assert programs
    assert made, "its disk is a loop device"
    assert joined
    assert left
    assert traces.wait_gone(processes, programs, GONE_S) == (set(), set())

    def is_gone() -> bool:  # what other tests made beside it goes, too
        return not (leftovers(key) or list(tmp_path.iterdir()) or made & devices() or joined & networks())

    wait_for(is_gone, GONE_S)
    assert leftovers(key) == []
    assert list(tmp_path.iterdir()) == []
    assert made & devices() == set()
    assert joined & networks() == set()
