"""Recordings and a notebook -> verdicts, the executed notebook, and a page that opens offline; Markdown, PDF.

In: one recording or several, scenarios, a notebook with parameters, what people wrote. Out: files beside each other,
each whole or not there: <out>.html, <out>.ipynb, <out>.verdict.json, on demand <out>.md, <out>.pdf. Never: a judgement
of its own, a port, a network.

    run.py     the notebook, run by papermill       export.py    the page, made by nbconvert with our template
    edits.py   what people write, kept              markdown.py  the same as Markdown      pdf.py  on paper, by Chromium
    cells.py   whose each cell is; those that people added
    facts.py   what each page says of itself        index.py     a folder of reports, and the page that lists them
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import BadUsage, ReportFailed
from ..recording import open as open_recording
from ..replay import hand_over, replay
from ..shipped import shipped
from ..whole import write_whole
from .edits import from_file, put_in
from .export import outputs_to_html, to_html, verdicts_in_page
from .facts import facts
from .index import name_for, rebuild, unreported
from .markdown import to_markdown
from .pdf import to_pdf
from .run import check_parameters, execute

if TYPE_CHECKING:
    from ..recording import Recording
    from ..replay import Result
    from ..verdict import Verdict

__all__ = ["Report", "outputs_to_html", "rebuild", "report", "unreported", "verdicts_in_page"]
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".pdf": "pdf"}


@dataclass(frozen=True)
class Report:
    """What a report left behind.

    path: the page (or what else was asked for first); paths: in each format that was asked for.
    results: one for each recording; verdicts: those of all of them.
    exit_code: 1 where a cell failed (error names it; page and notebook hold what came before), else 3 where a scenario
    fired, 4 where one can't tell, 0 where all was quiet.
    """

    path: Path
    notebook_path: Path
    verdict_path: Path
    verdicts: tuple[Verdict, ...]
    results: tuple[Result, ...]
    exit_code: int
    error: str | None = None
    paths: tuple[Path, ...] = ()


def _opened(recording: Recording | str | Path | Sequence[Recording | str | Path]) -> list[Recording]:
    if isinstance(recording, str | Path):
        return [open_recording(recording)]
    if isinstance(recording, Sequence):
        return [one for part in recording for one in _opened(part)]
    return [recording]


def report(
    recording: Recording | str | Path | Sequence[Recording | str | Path],
    out: str | Path = "postmortem.html",
    scenarios: Sequence[str] | None = None,
    notebook: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    into: str | Path | None = None,
    formats: Sequence[str] | None = None,
    edits: str | Path | Mapping[str, str] | None = None,
    progress: bool | None = None,
) -> Report:
    """Judge a recording and write the postmortem as one HTML file, with the notebook and the verdicts beside it.

    recording   opened, or its folder; or several of one incident, which come onto one timeline
    out         the file; one that ends in .md or .pdf is written as that
    scenarios   as for replay(): by default those it was made for
    notebook    one of your own instead of postmortem.ipynb (incident.ipynb for several); it must take a parameter
                `recording` (`recordings`)
    parameters  for the notebook, besides these and `scenarios`
    into        a folder in which reports gather, instead of out; its index.html is written anew
    formats     html, md, pdf; by default what out ends in
    edits       what people wrote, section -> Markdown, or a Markdown file with headings; by default
                <recording>.edits.md where it is there. What they wrote in the notebook of an earlier report of this
                name, and the cells that they added to it, are kept in any case
    progress    show how far the notebook is; by default on a terminal

    The verdicts are written first and handed to the notebook, so nothing is judged twice. A failing cell is no
    exception: see Report. Raises: BadUsage (unknown parameter, a place that can't be written to, edits that contradict
    each other), ReportFailed (no notebook or page could be made; the verdicts are there all the same), and whatever
    replay() raises.
    """
    recordings = _opened(recording)
    if not recordings:
        raise BadUsage("there is no recording to report")
    wanted = _formats(Path(out), formats, into)
    if into is not None:
        Path(into).mkdir(parents=True, exist_ok=True)
        out = Path(into) / f"{name_for(recordings)}.html"
    base = Path(out).absolute()
    made, verdict_path = base.with_suffix(".ipynb"), base.with_suffix(".verdict.json")
    paths = tuple(base if _SUFFIXES.get(base.suffix.lower()) == f else base.with_suffix(f".{f}") for f in wanted)
    several = len(recordings) > 1
    source = shipped("notebooks") / ("incident.ipynb" if several else "postmortem.ipynb")
    source = (source if notebook is None else Path(notebook)).absolute()
    _check_places(paths, made, source)
    found = [str(rec.path.resolve()) for rec in recordings]
    given: dict[str, Any] = {"recordings": found} if several else {"recording": found[0]}
    if scenarios is not None:
        given["scenarios"] = list(scenarios)
    given |= parameters or {}
    check_parameters(source, given)
    words = _edits(edits, recordings)
    results = [replay(rec, scenarios) for rec in recordings]
    try:
        with tempfile.TemporaryDirectory(prefix=f".{base.stem[:40]}-", dir=base.parent) as beside:
            folder = Path(beside)
            (folder / "run").mkdir()
            run, executed = folder / "run" / source.name, folder / "executed.ipynb"
            put_in(source, made, words, run)
            told = _told(recordings, results)
            write_whole(verdict_path, told)
            env: dict[str, str] = {}
            for rec, result in zip(recordings, results, strict=True):
                env |= hand_over(rec, scenarios, result, folder)
            shown = sys.stderr.isatty() if progress is None else progress
            error = execute(run, executed, given, env, progress=shown)
            about = facts(recordings, results, failed=error is not None)
            title, foot = _title(recordings, results), _foot(recordings, results)
            page = to_html(executed, title, foot, told, about.packed()) if {"html", "pdf"} & set(wanted) else ""
            text = to_markdown(executed, title, foot) if "md" in wanted else ""
            os.replace(executed, made)
            for form, path in zip(wanted, paths, strict=True):
                write_whole(path, page if form == "html" else text if form == "md" else to_pdf(page))
    except OSError as exc:
        raise ReportFailed(f"{base}: the report could not be written: {exc.strerror or exc}") from exc
    if into is not None:
        rebuild(into)
    verdicts = tuple(verdict for result in results for verdict in result.verdicts)
    code = 1 if error else _exit_code(results)
    return Report(paths[0], made, verdict_path, verdicts, tuple(results), code, error, paths)


def _formats(out: Path, formats: Sequence[str] | None, into: str | Path | None) -> tuple[str, ...]:
    """What is to be written, what the caller looks for first; pages always where they gather."""
    known = sorted(set(_SUFFIXES.values()))
    for name in formats or ():
        if name not in known:
            raise BadUsage(f"there is no format {name!r}; there is: {', '.join(known)}")
    own = _SUFFIXES.get(out.suffix.lower())
    if own is None and into is None:
        raise BadUsage(f"{out.name}: a report ends in .html, .md or .pdf; name it like postmortem.html")
    first = ["html"] if into is not None else []
    return tuple(dict.fromkeys([*first, *(formats or [own or "html"])]))


def _edits(edits: str | Path | Mapping[str, str] | None, recordings: Sequence[Recording]) -> dict[str, str]:
    """Sections that people wrote in a file, or that the caller has."""
    if isinstance(edits, Mapping):
        return dict(edits)
    if edits is not None:
        return from_file(Path(edits))
    beside = [rec.path.resolve().with_name(f"{rec.name}.edits.md") for rec in recordings]
    return next((from_file(path) for path in beside if path.is_file()), {})


def _check_places(paths: Sequence[Path], made: Path, source: Path) -> None:
    if not source.is_file():
        raise BadUsage(f"{source}: there is no such notebook")
    for path in paths:
        if path.is_dir() or not path.parent.is_dir():
            raise BadUsage(f"{path}: {'is a folder' if path.is_dir() else 'its folder does not exist'}")
    if made.exists() and made.samefile(source):
        raise BadUsage(f"{made}: is the notebook that is to be run; choose another name for the report")


def _told(recordings: Sequence[Recording], results: Sequence[Result]) -> str:
    """All verdicts as JSON, and which of them are of which recording."""
    body = {
        "verdicts": [json.loads(verdict.to_json()) for result in results for verdict in result.verdicts],
        "recordings": [{"name": rec.name, "digests": [verdict.digest for verdict in result.verdicts]}
                       for rec, result in zip(recordings, results, strict=True)],
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def _exit_code(results: Sequence[Result]) -> int:
    codes = {result.exit_code for result in results}
    return next((code for code in (3, 4) if code in codes), 0)


def _names(recordings: Sequence[Recording]) -> str:
    return " + ".join(recording.name for recording in recordings)


def _title(recordings: Sequence[Recording], results: Sequence[Result]) -> str:
    state = {3: "FIRED", 4: "CANNOT TELL"}.get(_exit_code(results), "Quiet")
    return f"{state} · {_names(recordings)} · postmortem"


def _foot(recordings: Sequence[Recording], results: Sequence[Result]) -> str:
    digests = ", ".join(f"{v.scenario} on {v.node} {v.digest[:12]}" for r in results for v in r.verdicts) or "none"
    others = "".join(dict.fromkeys(f"{v.judged_by} " for r in results for v in r.verdicts if v.judged_by))
    of = "recordings" if len(recordings) > 1 else "recording"
    return (f"Made by SantaBPF {__version__} from the {of} {_names(recordings)}. Verdicts, by digest: {digests}. "
            f"{others}This page is one file and asks nothing from a network.")
