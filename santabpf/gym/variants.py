"""What a scenario's folder can provoke: the fault in its variants, and look-alikes that must stay quiet.

In: a folder with reproduce.sh and quiet/*.sh. Out: Variant values. Never: runs any of them.

A script is called with SECONDS as its last argument. It sets itself up, waits until its standard input is closed, does
its work for that long and ends. It exits 77, saying why, where a program that it needs is not installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import BadScenario, BadUsage, nearest

_LINE = re.compile(r"^# variants:(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Variant:
    """One thing to provoke, and the verdict that it must get."""

    name: str
    script: Path
    args: tuple[str, ...]
    expected: Literal["fired", "quiet"]


def variants(folder: Path) -> dict[str, Variant]:
    """All that a scenario's folder can provoke, the fault's variants first. Raises BadUsage where there is nothing.

    A fault's variants stand in a line of reproduce.sh, `# variants: one two`; a look-alike is called after its file.
    """
    script = folder / "reproduce.sh"
    if not script.is_file():
        raise BadUsage(f"scenario {folder.name} has no reproduce.sh, so there is nothing to provoke")
    line = _LINE.search(script.read_text(encoding="utf-8"))
    names = line[1].split() if line else []
    if not names:
        raise BadScenario(f"{script}:1: a line `# variants: NAME ...` must say what it can be called with")
    found = {name: Variant(name, script, (name,), "fired") for name in names}
    for path in sorted((folder / "quiet").glob("*.sh")):
        name = path.stem.replace("_", "-")
        found[name] = Variant(name, path, (), "quiet")
    return found


def get_variant(folder: Path, name: str | None) -> Variant:
    """The variant of that name; the first for None. Raises BadUsage with the nearest name."""
    known = variants(folder)
    if name is None:
        return next(iter(known.values()))
    try:
        return known[name]
    except KeyError:
        raise BadUsage(f"scenario {folder.name} has no variant {name!r}; {nearest(name, known)}") from None
