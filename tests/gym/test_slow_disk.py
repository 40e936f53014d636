"""The disk of the drill slow_fsync: a loop device on a file that the drill serves itself. Nothing of it is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from santabpf.scenarios import get_scenario

pytestmark = pytest.mark.usefixtures("cells")
Gone = Callable[[int], None]

RUNNER = """
    import sys, time
    from pathlib import Path
    from santabpf.gym.contain import Limits, contain
    with contain("fault", Limits(seconds=60)) as cell:
        started = cell.start(Path(sys.argv[1]), ["device", "30"])
        started.go()
        print(cell.guardian_pid, flush=True)
        started.wait(60)
"""


def loops(image: str) -> list[str]:
    """Loop devices on a file of that name."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found += [path.parts[3]] if image in path.read_text() else []
        except OSError:  # it went while we looked
            continue
    return found


def wait_for(what: Callable[[], bool]) -> bool:
    """Whether it comes true within half a minute."""
    end = time.monotonic() + 30
    while not what() and time.monotonic() < end:
        time.sleep(0.1)
    return what()


def test_the_slow_disk_is_gone_when_the_runner_is_killed(tmp_path: Path, gone: Gone) -> None:
    folder, image = tmp_path / "slow", f"planted-{os.getpid()}.img"
    shutil.copytree(get_scenario("slow_fsync").folder, folder)
    disk = folder / "quiet" / "disk.py"
    disk.write_text(disk.read_text().replace("disk.img", image))
    code = textwrap.dedent(RUNNER)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "reproduce.sh")], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        key = int(runner.stdout.readline())
        assert wait_for(lambda: bool(loops(image))), "the drill made no disk"
        time.sleep(0.5)  # it is being written to
        runner.kill()
        gone(key)
    assert wait_for(lambda: not loops(image))
