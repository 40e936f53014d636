"""Every drill that ships: whatever it provokes, nothing of it is left when its runner is killed in the midst of it."""

from __future__ import annotations

import contextlib
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


def devices() -> set[str]:
    """All network interfaces of this machine's own namespace, and the files behind all its loop devices."""
    found = {path.name for path in Path("/sys/class/net").iterdir()}
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # gone meanwhile
            found.add(path.read_text().strip())
    return found


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("name", DRILLS)
def test_nothing_is_left_of_a_drill_whose_runner_is_killed(name: str) -> None:
    before, files = devices(), [Path("/etc/passwd").read_bytes(), Path("/etc/resolv.conf").read_bytes()]
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
    while (any(leftovers(key) for key in keys.values()) or devices() - before) and time.monotonic() < deadline:
        time.sleep(0.1)  # devices of other tests, that run beside it, go too
    assert {variant: left for variant, key in keys.items() if (left := leftovers(key))} == {}
    assert devices() <= before
    assert [Path("/etc/passwd").read_bytes(), Path("/etc/resolv.conf").read_bytes()] == files
