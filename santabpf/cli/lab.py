"""The workbench on the command line: santabpf lab."""

from __future__ import annotations

from pathlib import Path

import click

from .group import cli


@cli.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), help="Of 127.0.0.1; a free one from 8888 on by default.")
@click.option("--no-browser", is_flag=True, help="Print the address, open nothing.")
def lab(folder: Path, port: int | None, no_browser: bool) -> None:
    """Open JupyterLab on the notebooks in FOLDER (here by default); those that are missing are put there."""
    from ..lab import lab as serve

    serve(folder, port=port, browser=not no_browser, say=click.echo)
