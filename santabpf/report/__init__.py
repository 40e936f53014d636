"""A recording and a notebook -> verdicts, the executed notebook, and one HTML file that opens offline.

In: a recording, scenarios, a notebook with parameters. Out: three files beside each other, each whole or not there:
<out>.html, <out>.ipynb, <out>.verdict.json. Never: a judgement of its own, a port, a network.

    run.py     the notebook, run by papermill       export.py  the page, made by nbconvert with our template
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
from ..replay import hand_over, replay
from ..shipped import shipped
from .export import outputs_to_html, to_html, verdicts_in_page
from .run import check_parameters, execute

if TYPE_CHECKING:
    from ..recording import Recording
    from ..replay import Result
    from ..verdict import Verdict

__all__ = ["Report", "outputs_to_html", "report", "verdicts_in_page"]


@dataclass(frozen=True)
class Report:
    """What a report left behind.

    exit_code: 1 where a cell failed (error names it; page and notebook hold what came before), else 3 where a scenario
    fired, 4 where one can't tell, 0 where all was quiet.
    """

    path: Path
    notebook_path: Path
    verdict_path: Path
    verdicts: tuple[Verdict, ...]
    exit_code: int
    error: str | None = None


def report(
    recording: Recording,
    out: str | Path = "postmortem.html",
    scenarios: Sequence[str] | None = None,
    notebook: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    progress: bool | None = None,
) -> Report:
    """Judge a recording and write the postmortem as one HTML file, with the notebook and the verdicts beside it.

    scenarios   as for replay(): by default those it was made for
    notebook    one of your own instead of postmortem.ipynb; it must take a parameter `recording`
    parameters  for the notebook, besides `recording` and `scenarios`
    progress    show how far the notebook is; by default on a terminal

    The verdicts are written first and handed to the notebook, so nothing is judged twice. A failing cell is no
    exception: see Report. Raises: BadUsage (unknown parameter, a place that can't be written to), ReportFailed (no
    notebook or page could be made; the verdicts are there all the same), and whatever replay() raises.
    """
    page = Path(out).absolute()
    source = (shipped("notebooks") / "postmortem.ipynb" if notebook is None else Path(notebook)).absolute()
    made = page.with_suffix(".ipynb")
    verdicts = page.with_suffix(".verdict.json")
    _check_places(page, made, source)
    given: dict[str, Any] = {"recording": str(recording.path.resolve())}
    if scenarios is not None:
        given["scenarios"] = list(scenarios)
    given |= parameters or {}
    check_parameters(source, given)
    result = replay(recording, scenarios)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{page.stem}-", dir=page.parent) as beside:
            folder = Path(beside)
            body = {"verdicts": [json.loads(verdict.to_json()) for verdict in result.verdicts]}
            told = json.dumps(body, indent=1, sort_keys=True) + "\n"
            _place(verdicts, told, folder)
            env = hand_over(recording, scenarios, result, folder)
            shown = sys.stderr.isatty() if progress is None else progress
            error = execute(source, folder / "executed.ipynb", given, env, progress=shown)
            text = to_html(folder / "executed.ipynb", _title(recording, result), _foot(recording, result), told)
            os.replace(folder / "executed.ipynb", made)
            _place(page, text, folder)
    except OSError as exc:
        raise ReportFailed(f"{page}: the report could not be written: {exc.strerror or exc}") from exc
    return Report(page, made, verdicts, result.verdicts, 1 if error else result.exit_code, error)


def _check_places(page: Path, made: Path, source: Path) -> None:
    if not source.is_file():
        raise BadUsage(f"{source}: there is no such notebook")
    if page.suffix.lower() not in (".html", ".htm"):
        raise BadUsage(f"{page.name}: a report is one HTML file; name it like postmortem.html")
    if page.is_dir() or not page.parent.is_dir():
        raise BadUsage(f"{page}: {'is a folder' if page.is_dir() else 'its folder does not exist'}")
    if made.exists() and made.samefile(source):
        raise BadUsage(f"{made}: is the notebook that is to be run; choose another name for the report")


def _place(path: Path, text: str, folder: Path) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the whole new one."""
    half = folder / f"half-{path.name[-40:]}"
    with open(half, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(half, path)


def _title(recording: Recording, result: Result) -> str:
    state = {3: "FIRED", 4: "CANNOT TELL"}.get(result.exit_code, "Quiet")
    return f"{state} · {recording.name} · postmortem"


def _foot(recording: Recording, result: Result) -> str:
    digests = ", ".join(f"{v.scenario} on {v.node} {v.digest[:12]}" for v in result.verdicts) or "none"
    return (f"Made by SantaBPF {__version__} from the recording {recording.name}. Verdicts, by digest: {digests}. "
            "This page is one file and asks nothing from a network.")
