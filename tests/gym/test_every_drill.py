"""Every drill that ships: whatever it provokes, nothing of it is left when its runner is killed in the midst of it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import leftovers

from santabpf.gym.variants import variants
from santabpf.scenarios import all_scenarios

DRILLS = [name for name, s in all_scenarios().items() if (s.folder / "reproduce.sh").is_file()]
BUSY_S = 2.0
GONE_S = 30.0


def loop_devices() -> set[str]:
    """The files behind all loop devices of this machine."""
    return {path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")}


def interfaces() -> set[str]:
    """All network interfaces of this machine's own namespace."""
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("name", DRILLS)
def test_nothing_is_left_of_a_drill_whose_runner_is_killed(name: str) -> None:
    before = loop_devices(), interfaces(), Path("/etc/passwd").read_bytes(), Path("/etc/resolv.conf").read_bytes()
    runners: dict[str, subprocess.Popen[str]] = {}
    keys: dict[str, int] = {}
    try:
        for variant in variants(all_scenarios()[name].folder):
            command = [sys.executable, "-m", "santabpf", "reproduce", name, "--variant", variant, "--seconds", "30"]
            runners[variant] = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )  # fmt: skip
        for variant, runner in runners.items():
            assert runner.stderr is not None
            said = runner.stderr.readline()
            found = re.search(r"santabpf-drill-(\d+)", said)
            assert found, f"{name}, {variant}: {said}{runner.stderr.read()}"
            keys[variant] = int(found[1])
        time.sleep(BUSY_S)
    finally:
        for runner in runners.values():
            runner.kill()
            runner.communicate()
    deadline = time.monotonic() + GONE_S
    while any(leftovers(key) for key in keys.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {variant: left for variant, key in keys.items() if (left := leftovers(key))} == {}
    loops, links, accounts, resolver = before
    assert loop_devices() <= loops
    assert interfaces() <= links
    assert (Path("/etc/passwd").read_bytes(), Path("/etc/resolv.conf").read_bytes()) == (accounts, resolver)
