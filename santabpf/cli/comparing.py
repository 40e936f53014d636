"""The command that compares two moments."""

from __future__ import annotations

from pathlib import Path

import click

from .group import cli
from .shared import json_flag, plain, show

_WINDOW = "As 5s..20s after its beginning, or 12:00:05..12:00:20 UTC; all of it by default."


@cli.command()
@click.argument("incident", type=click.Path(path_type=Path))
@click.argument("good", type=click.Path(path_type=Path), required=False)
@click.option("--incident-window", metavar="FROM..TO", help=_WINDOW)
@click.option("--good-window", "good_windows", multiple=True, metavar="FROM..TO", help=_WINDOW + " May be several.")
@click.option("-t", "--table", "tables", multiple=True, help="Only this table; all by default.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write it as one HTML file, with its flame graph.")
@json_flag
def compare(
    incident: Path, good: Path | None, incident_window: str | None, good_windows: tuple[str, ...],
    tables: tuple[str, ...], out: Path | None, as_json: bool,
) -> None:
    """What changed between a GOOD moment and an INCIDENT, ranked, with the noise beside it.

    Both are recordings, or windows of them; GOOD is the same recording by default.
    """
    from ..compare import compare as run
    from ..compare import page, span

    other = incident if good is None else good
    moments = [span(other, text) for text in good_windows] or [span(other, None)]
    found = run(span(incident, incident_window), moments, tables=tables or None)
    if out is not None:
        out.write_text(page(found), encoding="utf-8")
    show(found.as_dict()) if as_json else click.echo(plain(found.to_text()) + (f"\n\n{out}" if out else ""))
