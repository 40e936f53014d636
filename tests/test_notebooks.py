"""Every notebook that comes with SantaBPF keeps the rules of the house."""

from __future__ import annotations

import ast
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path: Path, kind: str = "code") -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def is_parameters(cell: Any) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def test_there_is_a_postmortem() -> None:
    assert "postmortem.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestEachNotebook:
    def test_it_is_valid_and_asks_for_the_python_kernel(self, path: Path) -> None:
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        assert book.metadata.kernelspec.name == "python3"

    def test_it_has_one_cell_of_parameters_and_it_is_the_first_code(self, path: Path) -> None:
        assert [is_parameters(cell) for cell in cells(path)].count(True) == 1
        assert is_parameters(cells(path)[0])

    def test_it_holds_no_output(self, path: Path) -> None:
        assert all(cell.outputs == [] and cell.execution_count is None for cell in cells(path))
        assert "papermill" not in json.loads(path.read_text())["metadata"]

    def test_it_defines_nothing(self, path: Path) -> None:
        for cell in cells(path):
            for node in ast.walk(ast.parse(cell.source)):
                logic = ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.For | ast.While
                assert not isinstance(node, logic), cell.source

    def test_it_names_paths_in_its_parameters_only(self, path: Path) -> None:
        for cell in cells(path):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and not is_parameters(cell):
                    assert "/" not in node.value, cell.source

    def test_after_the_imports_each_cell_is_one_call(self, path: Path) -> None:
        for cell in cells(path):
            body = ast.parse(cell.source).body
            if not is_parameters(cell) and not any(isinstance(node, ast.Import | ast.ImportFrom) for node in body):
                assert len(body) == 1, cell.source

    def test_each_section_says_what_it_shows(self, path: Path) -> None:
        kinds = [cell.cell_type for cell in nbformat.read(path, as_version=4).cells]
        assert kinds[0] == "markdown"
        assert not any(a == b == "code" for a, b in pairwise(kinds[3:]))
