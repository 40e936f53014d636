"""Cells for tests: they need root and control groups; where those lack, the tests skip with the reason."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from santabpf.errors import CannotContain
from santabpf.gym.contain import contain
from santabpf.gym.groups import PREFIX

Scripts = Callable[[str], Path]


@pytest.fixture(scope="session")
def cells() -> None:
    """Skips where no cell can be made; with SANTABPF_REQUIRE set, fails instead."""
    try:
        with contain("probe"):
            pass
    except CannotContain as exc:
        if os.environ.get("SANTABPF_REQUIRE"):
            pytest.fail(str(exc))
        pytest.skip(str(exc))


@pytest.fixture
def script(tmp_path: Path) -> Scripts:
    """Writes a shell script, alone in its folder."""

    def write(text: str) -> Path:
        folder = tmp_path / f"script-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        path = folder / "fault.sh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        return path

    return write


@pytest.fixture(name="leftovers")
def _leftovers() -> Callable[[int], list[str]]:
    return leftovers


def leftovers(key: int) -> list[str]:
    """Groups, processes and mounts of the cell whose guardian had this pid."""
    walk = os.walk("/sys/fs/cgroup")  # groups may go meanwhile; rglob would stumble over it
    found = [f"{folder}/{name}" for folder, names, _ in walk for name in names if name == f"{PREFIX}{key}"]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{PREFIX}{key}" in (process / "cgroup").read_text():
                found.append(f"{process}: {(process / 'comm').read_text().strip()}")
        except OSError:
            continue
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "santabpf-drill" in line]
    return found


@pytest.fixture
def gone() -> Callable[[int], None]:
    """Waits until nothing is left of a cell; fails naming what is."""

    def wait(key: int) -> None:
        for _ in range(500):
            if not leftovers(key):
                return
            time.sleep(0.02)
        pytest.fail("left behind: " + "; ".join(leftovers(key)))

    return wait
