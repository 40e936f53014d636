"""Commands that judge recordings: replay, report, index, verify, sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..errors import BadUsage, SantaError
from .group import cli
from .shared import exit_code, formats_flag, json_flag, plain, print_result, show, verdict_json

if TYPE_CHECKING:
    from ..report import Report


@cli.command()
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("-s", "--scenario", "scenarios", multiple=True, help="Only this scenario; all by default.")
@json_flag
def replay(recording: Path, scenarios: tuple[str, ...], as_json: bool) -> None:
    """Judge RECORDING. Exits 0 quiet, 3 fired, 4 cannot tell."""
    from ..recording import open as open_recording
    from ..replay import replay as replay_recording

    result = replay_recording(open_recording(recording), list(scenarios) or None)
    print_result(result, as_json)
    sys.exit(exit_code(result.verdicts))


@cli.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="postmortem.html by default; or a .md or .pdf.")
@click.option("--into", type=click.Path(path_type=Path), help="A folder in which reports gather, with an index.")
@click.option("--new", is_flag=True, help="RECORDINGS is a folder: report each one in it that has no report yet.")
@formats_flag
@click.option("--edits", type=click.Path(path_type=Path), help="What people wrote: Markdown with a heading a section.")
@click.option("-s", "--scenario", "scenarios", multiple=True, help="Only this scenario; all by default.")
@click.option("--notebook", type=click.Path(exists=True, path_type=Path), help="Instead of postmortem.ipynb.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="For the notebook.")
@json_flag
def report(
    recordings: tuple[Path, ...],
    out: Path | None,
    into: Path | None,
    new: bool,
    scenarios: tuple[str, ...],
    parameters: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Write the postmortem of RECORDINGS as one HTML file; several are put on one timeline.

    Exits as replay does; 1 when there is no report.
    """
    from ..recording import open as open_recording

    if out is not None and into is not None:
        raise BadUsage("--out and --into exclude each other")
    if new and (into is None or len(recordings) > 1):
        raise BadUsage("--new takes one folder of recordings, and --into, the folder of their reports")
    options |= {"scenarios": list(scenarios) or None, "parameters": _parameters(parameters), "into": into}
    if new:
        _report_new(recordings[0], as_json, options)
    from ..report import report as write_report

    made = write_report([open_recording(path) for path in recordings], out or "postmortem.html", **options)
    if as_json:
        show(_told(made) | {"verdicts": verdict_json(made.verdicts)})
    else:
        click.echo("\n\n".join(map(str, made.results)))
        click.echo(plain("\n" + "\n".join(map(str, made.paths))))
    _complain(made)
    sys.exit(made.exit_code)


def _report_new(folder: Path, as_json: bool, options: dict[str, Any]) -> NoReturn:
    """A report for each recording that has none. What is wrong with one does not keep the others from theirs."""
    from ..report import rebuild, unreported
    from ..report import report as write_report

    told: list[dict[str, Any]] = []
    for found in unreported(folder, options["into"]):
        try:
            if isinstance(found, SantaError):
                raise found
            made = write_report(found, **options)
        except SantaError as exc:
            click.echo(f"santabpf: {plain(str(exc))}", err=True)
            told.append({"report": None, "exit_code": 1, "error": str(exc)})
        else:
            told.append(_told(made))
            _complain(made)
            if not as_json:
                click.echo(plain(f"{made.path}  " + ", ".join(f"{v.scenario}: {v.state}" for v in made.verdicts)))
    options["into"].mkdir(parents=True, exist_ok=True)
    rebuild(options["into"])
    show({"reports": told}) if as_json else click.echo(f"{len(told) or 'no'} new")
    codes = {one["exit_code"] for one in told}
    sys.exit(next((code for code in (1, 3, 4) if code in codes), 0))


def _told(made: Report) -> dict[str, Any]:
    paths = list(map(str, made.paths))
    return {"report": str(made.path), "files": paths, "exit_code": made.exit_code, "error": made.error}


def _complain(made: Report) -> None:
    if made.error:
        click.echo(f"santabpf: {plain(made.error)}; {made.path} holds what came before, and where it failed", err=True)


def _parameters(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE, where a value is JSON, or else a text."""
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadUsage(f"--parameter {pair!r} must be NAME=VALUE")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_flag
def index(folder: Path, as_json: bool) -> None:
    """Write the index.html of FOLDER anew, out of the reports that are in it now."""
    from ..report import rebuild

    path = rebuild(folder)
    show({"index": str(path)}) if as_json else click.echo(plain(str(path)))


@cli.command()
@click.argument("verdict", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-r", "--recording", required=True, type=click.Path(path_type=Path), help="What it was derived from.")
@json_flag
def verify(verdict: Path, recording: Path, as_json: bool) -> None:
    """Derive VERDICT (its JSON, or a report's HTML) again from its recording. Exits 0 when it holds, else 1."""
    from ..recording import open as open_recording
    from ..verify import verify as check_again

    checked = check_again(verdict, open_recording(recording))
    if as_json:
        show({"holds": all(c.holds for c in checked), "verdicts": [c.as_dict() for c in checked]})
    else:
        click.echo(plain("\n".join(c.to_text() for c in checked)))
    sys.exit(0 if all(c.holds for c in checked) else 1)


@cli.command()
@click.argument("scenario")
@click.option("--alarm", help="Which of its alarms; the first by default.")
@click.option(
    "-r", "--recordings", "folders", multiple=True, type=click.Path(path_type=Path),
    help="A recording of a drill, the name of a bundled one, or a folder of them; all bundled ones by default.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Draw it, as one HTML file.")
@json_flag
def sweep(scenario: str, alarm: str | None, folders: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Replay SCENARIO's alarm with a thousand settings: detection delay against false alarms."""
    from ..shipped import shipped
    from ..sweep import library, page
    from ..sweep import sweep as run

    result = run(scenario, library(folders or (shipped("recordings"),)), alarm)
    if out is not None:
        out.write_text(page(result), encoding="utf-8")
    show(result.as_dict()) if as_json else click.echo(plain(result.to_text()) + (f"\n\n{out}" if out else ""))
