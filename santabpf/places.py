"""Where probes and scenarios are looked for: what ships, what installed packages bring, and folders of one's own.

A place is a folder with probes/<name>/probe.yaml and scenarios/<name>/scenario.yaml in it, either or both. Where two
places have the same name, the later one stands for the earlier: shipped first, then packages with an entry point in
the group ``santabpf.places`` (its value names a package whose folder is the place; its code is not run), then the
folders of the environment variable SANTABPF_PATH, from left to right (`santabpf --path DIR` adds one at the end).

In: the environment. Out: folders by name, looked for once in a process. Never: opens what lies in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from .errors import BadUsage
from .shipped import shipped

ENVIRONMENT = "SANTABPF_PATH"
GROUP = "santabpf.places"
Room = Literal["probes", "scenarios"]
#: what ships under that name; one that has a name of its own; another one under the name of one that ships
Origin = Literal["shipped", "own", "replaced"]
_FILES = {"probes": "probe.yaml", "scenarios": "scenario.yaml"}


def add(folders: Iterable[str | Path]) -> None:
    """Look in these folders too, for this process and those that it starts. Raises BadUsage for what is no folder."""
    wanted = []
    for folder in folders:
        path = Path(folder).resolve()
        if not any((path / room).is_dir() for room in _FILES):
            raise BadUsage(f"{folder}: there is neither a probes/ nor a scenarios/ folder in it")
        wanted.append(str(path))
    os.environ[ENVIRONMENT] = os.pathsep.join(filter(None, [os.environ.get(ENVIRONMENT, ""), *wanted]))


def key() -> str:
    """Changes when other places are to be looked in; for caches."""
    return os.environ.get(ENVIRONMENT, "")


def found(room: Room) -> dict[str, Path]:
    """Every folder of that room, by name, in the order of names."""
    return _found(room, key())


def replaced(room: Room) -> dict[str, Path]:
    """Shipped ones whose name another place has too: name -> the folder that stands for it."""
    ours = _in_place(room, _shipped_folder(room))
    return {name: folder for name, folder in found(room).items() if name in ours and folder != ours[name]}


def others() -> bool:
    """Whether there is any place besides what ships."""
    return bool(key() or _of_packages())


def origin(room: Room, path: Path) -> Origin:
    """Where a probe.yaml or scenario.yaml is from. What ships is known by its bytes, wherever it lies."""
    ours = _in_place(room, _shipped_folder(room)).get(path.parent.name)
    if ours is None:
        return "own"
    return "shipped" if (ours / _FILES[room]).read_bytes() == path.read_bytes() else "replaced"


def is_shipped(room: Room, name: str) -> bool:
    """Whether what counts under that name is what ships."""
    return _in_place(room, _shipped_folder(room)).get(name) == found(room).get(name)


@cache
def _found(room: Room, environment: str) -> dict[str, Path]:
    roots = [_shipped_folder(room)] + [
        place / room for place in [*_of_packages(), *map(Path, filter(None, environment.split(os.pathsep)))]
    ]
    everything: dict[str, Path] = {}
    for root in roots:
        everything |= _in_place(room, root)
    return dict(sorted(everything.items()))


def _shipped_folder(room: Room) -> Path:
    return Path(__file__).resolve().parent / "probes" if room == "probes" else shipped("scenarios")


@cache
def _in_place(room: Room, root: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in root.glob(f"*/{_FILES[room]}")}


@cache
def _of_packages() -> list[Path]:
    places = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        spec = find_spec(point.value)
        places += [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    return places
