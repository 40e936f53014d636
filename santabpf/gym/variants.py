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
from ..units import MIB

_LINE = re.compile(r"^# variants:(.*)$", re.MULTILINE)
_ALSO = re.compile(r"^# also(?: ([^:\n]+))?:(.*)$", re.MULTILINE)
_CELL = re.compile(r"^# cell:(.*)$", re.MULTILINE)
#: What a script may ask its cell for, and what that is in Limits.
_ASKS = {
    "cpus": ("cpus", 1, 64),
    "cpu_percent": ("cpu_percent", 1, 6400),
    "memory_mib": ("memory_bytes", MIB, 1024),
    "processes": ("processes", 1, 1024),
}


@dataclass(frozen=True)
class Variant:
    """One thing to provoke, and the verdict that it must get."""

    name: str
    script: Path
    args: tuple[str, ...]
    expected: Literal["fired", "quiet"]
    also: tuple[str, ...] = ()  # other scenarios that may fire with it
    cell: tuple[tuple[str, int], ...] = ()  # what it wants of its cell, by the names of Limits


def variants(folder: Path) -> dict[str, Variant]:
    """All that a scenario's folder can provoke, the fault's variants first. Raises BadUsage where there is nothing.

    A fault's variants stand in a line of reproduce.sh, `# variants: one two`; a look-alike is called after its file.
    A line `# also: cpu_usage` in either names other scenarios that may fire with it, `# also two: cpu_usage` with that
    variant only; a line `# cell: cpus=2 cpu_percent=20 memory_mib=96 processes=40` asks for a cell with other limits
    than the usual ones.
    """
    script = folder / "reproduce.sh"
    if not script.is_file():
        raise BadUsage(f"scenario {folder.name} has no reproduce.sh, so there is nothing to provoke")
    line = _LINE.search(script.read_text(encoding="utf-8"))
    names = line[1].split() if line else []
    if not names:
        raise BadScenario(f"{script}:1: a line `# variants: NAME ...` must say what it can be called with")
    also, cell = _also(script, names), _cell(script)
    found = {name: Variant(name, script, (name,), "fired", also[name], cell) for name in names}
    for path in sorted((folder / "quiet").glob("*.sh")):
        name = path.stem.replace("_", "-")
        found[name] = Variant(name, path, (), "quiet", _also(path, [name])[name], _cell(path))
    return found


def _also(script: Path, names: list[str]) -> dict[str, tuple[str, ...]]:
    """For each variant the other scenarios that may fire with it."""
    text = script.read_text(encoding="utf-8")
    also: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    for line in _ALSO.finditer(text):
        for name in [line[1]] if line[1] else names:
            if name not in also:
                number = text[: line.start()].count("\n") + 1
                raise BadScenario(f"{script}:{number}: there is no variant {name!r}; {nearest(name, names)}")
            also[name] += tuple(line[2].split())
    return also


def _cell(script: Path) -> tuple[tuple[str, int], ...]:
    text = script.read_text(encoding="utf-8")
    asked = []
    for line in _CELL.finditer(text):
        for word in line[1].split():
            key, _, value = word.partition("=")
            name, unit, most = _ASKS.get(key, ("", 1, 0))
            if not value.isdecimal() or not 1 <= int(value) <= most:
                number = text[: line.start()].count("\n") + 1
                known = ", ".join(f"{k}=1..{limit}" for k, (_, _, limit) in _ASKS.items())
                raise BadScenario(f"{script}:{number}: a cell can't give {word!r}; it can {known}")
            asked.append((name, int(value) * unit))
    return tuple(asked)


def get_variant(folder: Path, name: str | None) -> Variant:
    """The variant of that name; the first for None. Raises BadUsage with the nearest name."""
    known = variants(folder)
    if name is None:
        return next(iter(known.values()))
    try:
        return known[name]
    except KeyError:
        raise BadUsage(f"scenario {folder.name} has no variant {name!r}; {nearest(name, known)}") from None
