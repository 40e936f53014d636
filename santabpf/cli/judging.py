"""Commands that judge recordings: replay, report, verify, sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import BadUsage
from .group import cli
from .shared import exit_code, json_flag, plain, print_result, show, verdict_json


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
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), default="postmortem.html", show_default=True)
@click.option("-s", "--scenario", "scenarios", multiple=True, help="Only this scenario; all by default.")
@click.option("--notebook", type=click.Path(exists=True, path_type=Path), help="Instead of postmortem.ipynb.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="For the notebook.")
@json_flag
def report(
    recording: Path,
    out: Path,
    scenarios: tuple[str, ...],
    notebook: Path | None,
    parameters: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the postmortem of RECORDING as one HTML file. Exits as replay does; 1 when there is no report."""
    from ..recording import open as open_recording
    from ..report import report as write_report

    given: dict[str, Any] = {}
    for pair in parameters:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadUsage(f"--parameter {pair!r} must be NAME=VALUE")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    made = write_report(
        open_recording(recording), out, scenarios=list(scenarios) or None, notebook=notebook, parameters=given
    )
    if as_json:
        facts = {"report": str(made.path), "exit_code": made.exit_code, "error": made.error}
        show(facts | {"verdicts": verdict_json(made.verdicts)})
    else:
        click.echo("\n\n".join(v.to_text() for v in made.verdicts))
        click.echo(f"\n{made.path}")
    if made.error:
        click.echo(f"santabpf: {plain(made.error)}; {made.path} holds what came before, and where it failed", err=True)
    sys.exit(made.exit_code)


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
    "-r", "--recordings", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A recording of a drill, or a folder of them; the bundled ones by default.",
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
