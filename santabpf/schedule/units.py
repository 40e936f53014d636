"""systemd, told of a timer that came or goes.

In: the files of a job. Out: systemctl's doing. Never: anything where systemd does not run, or does not look there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..errors import SantaError
from .files import place


def start(paths: Iterable[Path]) -> list[str]:
    """Read the units anew and start the timers among them. Returns: the commands that were run; none where not live."""
    return _tell(paths, ["daemon-reload"], "enable", "restart")


def stop(paths: Iterable[Path]) -> list[str]:
    """Stop the timers among them; before their files go. Returns: as start()."""
    return _tell(paths, None, "disable", "stop")


def reload(paths: Iterable[Path]) -> list[str]:
    """Read the units anew; after their files went. Returns: as start()."""
    return _tell(paths, ["daemon-reload"])


def is_live(path: Path) -> bool:
    """Whether a systemd that runs here looks into this file's folder."""
    return Path("/run/systemd/system").is_dir() and path.parent.resolve() == place("systemd").resolve()


def _tell(paths: Iterable[Path], first: list[str] | None, *verbs: str) -> list[str]:
    live = [path for path in paths if is_live(path)]
    timers = [path.name for path in live if path.suffix == ".timer"]
    said = []
    for command in [*([first] if first and live else []), *([verb, *timers] for verb in verbs if timers)]:
        argv = ["systemctl", *([] if os.geteuid() == 0 else ["--user"]), *command]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise SantaError(f"{' '.join(argv)} failed: {(done.stderr or done.stdout).strip()}")
        said.append(" ".join(argv))
    return said
