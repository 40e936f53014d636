"""Where the scenarios, notebooks and recordings that come with SantaBPF lie: in a checkout or in an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def shipped(room: Literal["scenarios", "notebooks", "recordings"]) -> Path:
    """The folder of that name: santabpf/_shipped/<room> of a wheel, <room> beside santabpf/ in a checkout."""
    installed = _PACKAGE / "_shipped" / room
    return installed if installed.is_dir() else _PACKAGE.parent / room
