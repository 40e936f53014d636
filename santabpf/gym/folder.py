"""The folder in which a drill records: it goes when the drill is over, and when the drill's process is killed, too.

In: nothing. Out: a path, for as long as the `with` lasts. Never: leaves the folder behind, however its asker ends.

A process of its own makes the folder, and removes it at the end of its input: that the kernel closes with the asker.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CannotProvoke
from .apart import apart

_KEEPER = "from santabpf.gym.folder import keep; keep()"


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A new, empty folder where temporary files go. Raises CannotProvoke where there can be none."""
    with apart(_KEEPER, subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        made = os.fsdecode(keeper.stdout.readline().rstrip(b"\n"))
        if not made:
            why = keeper.stderr.read().decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
            raise CannotProvoke(f"there is no place for a drill's recording: {why}")
        yield Path(made)


def keep() -> None:
    """Make the folder, tell its path, wait, remove it. Runs in the process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who ends a service ends all its processes: the asker goes first
    made = tempfile.mkdtemp(prefix="santabpf-drill-")
    try:
        os.write(1, os.fsencode(made) + b"\n")
        sys.stdin.read()
    finally:
        shutil.rmtree(made, ignore_errors=True)
