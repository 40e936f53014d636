"""A folder in which reports gather, and its index.html: newest first, searched and filtered, as plain files.

In: a folder. Out: index.html, made anew from what the reports say of themselves, so that one that is gone is gone from
it too. Never: a server, a network, a database beside the reports.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from ..display.escape import html_text
from ..display.page import asset, policy
from ..errors import BadUsage, RecordingError, ReportFailed
from ..units import format_duration, format_utc
from ..whole import write_whole
from .facts import HEAD, Facts, facts_in_page

if TYPE_CHECKING:
    from ..recording import Recording

INDEX = "index.html"
STATES = {"failed": "Not whole", "fired": "Fired", "cannot_tell": "Cannot tell", "quiet": "Quiet"}


class Entry(NamedTuple):
    """One report of a folder. also: file names of the same report in other formats."""

    file: str
    facts: Facts
    also: tuple[str, ...]


def name_for(recordings: Sequence[Recording]) -> str:
    """The file name, without its ending, of a report of these recordings among others: when they began, and theirs."""
    start = min(recording.window[0] for recording in recordings)
    names = "+".join(re.sub(r"[^A-Za-z0-9._-]+", "-", recording.name).strip("-.") for recording in recordings)
    return f"{re.sub('[^0-9]', '', format_utc(start)[:10])}-{format_utc(start)[11:19].replace(':', '')}-{names[:150]}"


def entries(folder: Path) -> list[Entry]:
    """The reports in a folder, newest first. Pages that are no reports are left out."""
    found = []
    for path in sorted(folder.glob("*.html")):
        if path.name == INDEX or path.name.startswith(".") or not path.is_file():
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                facts = facts_in_page(stream.read(HEAD))
        except OSError:
            continue
        if facts is not None:
            also = tuple(path.with_suffix(s).name for s in (".md", ".pdf", ".ipynb") if path.with_suffix(s).is_file())
            found.append(Entry(path.name, facts, also))
    return sorted(found, key=lambda entry: (-entry.facts.from_ns, entry.file))


def rebuild(folder: str | Path) -> Path:
    """Write the folder's index.html anew; one at a time. Returns: its path. Raises BadUsage, ReportFailed.

    What is deleted from the folder is gone from the index when this has run.
    """
    room = Path(folder)
    if not room.is_dir():
        raise BadUsage(f"{folder}: there is no such folder")
    index = room / INDEX
    try:
        with _locked(room):
            if index.exists() and not _is_ours(index):
                raise BadUsage(f"{index}: is there already, and is no index of reports; move it away")
            write_whole(index, page(entries(room)))
    except OSError as exc:
        raise ReportFailed(f"{index}: could not be written: {exc.strerror or exc}") from exc
    return index


def page(found: Sequence[Entry]) -> str:
    """The index as HTML."""
    here = resources.files(__package__)
    script = here.joinpath("index.js").read_text(encoding="utf-8").strip()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True)
    environment.filters |= {"shown": lambda text: Markup(html_text(text)), "address": quote}
    template = environment.from_string(here.joinpath("index.html.j2").read_text(encoding="utf-8"))
    return template.render(
        rows=[_row(entry) for entry in found], policy=policy(script), script=script, states=STATES,
        style=asset("page.css") + "\n" + here.joinpath("index.css").read_text(encoding="utf-8"),
        nodes=sorted({node for entry in found for node in entry.facts.nodes}),
        scenarios=sorted({name for entry in found for name in entry.facts.scenarios}),
    )  # fmt: skip


def _row(entry: Entry) -> dict[str, Any]:
    about = entry.facts
    return {
        "file": entry.file, "also": [(name.rpartition(".")[2], name) for name in entry.also], "about": about,
        "when": format_utc(about.from_ns)[:19], "date": format_utc(about.from_ns)[:10],
        "lasted": format_duration(about.to_ns - about.from_ns), "state": STATES[about.state],
    }  # fmt: skip


def unreported(recordings: str | Path, reports: str | Path) -> Iterator[Recording | RecordingError]:
    """Every recording in a folder that is over and of which there is no report yet; an error for each broken one."""
    from ..recording import open as open_recording

    room = Path(recordings)
    if not room.is_dir():
        raise BadUsage(f"{recordings}: there is no such folder")
    for path in sorted(room.glob("*/recording.json")):
        try:
            recording = open_recording(path.parent)
        except RecordingError as exc:
            yield exc
            continue
        if recording.state != "recording" and not (Path(reports) / f"{name_for([recording])}.html").exists():
            yield recording


def _is_ours(index: Path) -> bool:
    with open(index, encoding="utf-8", errors="replace") as stream:
        return '<meta name="generator" content="SantaBPF index">' in stream.read(1 << 16)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
