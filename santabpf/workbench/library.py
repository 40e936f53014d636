"""The recordings in a folder: which there are, of whom, when, how long, how large, and what was judged of them.

In: a folder. Out: one row a recording, also for one that can't be opened. Never: judges; an exception for one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..display.words import Col, Table
from ..errors import SantaError
from ..recording import open as open_recording
from ..units import format_bytes, format_duration, format_utc

if TYPE_CHECKING:
    from ..replay import Result

#: More are not listed: a folder with thousands of recordings is searched by name, not by eye.
MOST = 200


@dataclass(frozen=True)
class Entry:
    """One recording of a folder; problem says why it can't be opened, '' where it can."""

    path: Path
    nodes: str = ""
    start_ns: int = 0
    span_ns: int = 0
    bytes: int = 0
    rows: int = 0
    state: str = ""
    problem: str = ""


def find_folder(folder: str | Path) -> Path | None:
    """Where the recordings are: this folder; else one of that name beside the notebooks' folder; else None."""
    given = Path(folder)
    return next((f for f in (given, Path("..") / given) if f.is_dir()), None)


def entries(folder: Path) -> list[Entry]:
    """Its recordings, the newest first, at most MOST."""
    found = [_entry(path.parent) for path in folder.glob("*/recording.json")]
    return sorted(found, key=lambda e: (bool(e.problem), -e.start_ns, e.path.name))[:MOST]


def _entry(path: Path) -> Entry:
    try:
        recording = open_recording(path)
        start, end = recording.window
        size = sum(part.bytes for name in recording.tables for part in recording[name]._table.parts)
        rows = sum(recording[name].rows for name in recording.tables)
        return Entry(path, ", ".join(recording.nodes), start, end - start, size, rows, recording.state)
    except SantaError as exc:
        return Entry(path, problem=str(exc))


def said(result: Result) -> str:
    """The verdicts in a few words: Fired: Disk is slow, Short-lived jobs · 3 quiet"""
    states = ("fired", "cannot_tell", "quiet")
    by_state = {state: [v.title for v in result.ranked if v.state == state] for state in states}
    parts = [f"Fired: {', '.join(by_state['fired'])}"] if by_state["fired"] else []
    parts += [f"cannot tell: {', '.join(by_state['cannot_tell'])}"] if by_state["cannot_tell"] else []
    parts += [f"{len(by_state['quiet'])} quiet"] if by_state["quiet"] else []
    return " · ".join(parts) or "no scenario fits"


def table(rows: list[Entry], judged: Mapping[Path, str]) -> Table:
    """For people to choose from; judged: path -> the verdicts in a few words."""
    columns = [Col("recording", "code"), Col("node", "code"), Col("began (UTC)"), Col("length", "number"),
               Col("size", "number"), Col("verdicts")]
    lines = []
    for entry in rows:
        if entry.problem:
            lines.append([entry.path.name, "–", "–", "–", "–", entry.problem])
            continue
        verdicts = judged.get(entry.path, "not judged yet")
        state = "" if entry.state == "complete" else f" ({entry.state})"
        lines.append([entry.path.name, entry.nodes, format_utc(entry.start_ns)[:19], format_duration(entry.span_ns),
                      format_bytes(entry.bytes), verdicts + state])
    note = f"The newest {MOST}." if len(rows) == MOST else ""
    return Table(columns, lines, note=note, empty="There is no recording here. Make one with: santabpf record NODE")
