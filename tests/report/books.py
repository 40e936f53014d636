"""Notebooks for tests of the report."""

from __future__ import annotations

from pathlib import Path

import nbformat


class NotebookMaker:
    """Writes notebooks that take the parameters of postmortem.ipynb."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *cells: str) -> Path:
        v4 = nbformat.v4
        first = v4.new_code_cell('recording = ""\nscenarios = None', metadata={"tags": ["parameters"]})
        book = v4.new_notebook(cells=[first, *map(v4.new_code_cell, cells)], metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
        path = self.folder / "mine.ipynb"
        nbformat.write(book, path)
        return path
