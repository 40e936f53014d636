"""live.ipynb without a browser: papermill runs it on parameters that record this machine for some seconds."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

import santabpf as sb
from santabpf.report.run import execute

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "live.ipynb"


def shown(path: Path) -> str:
    """All that its cells gave, as plain text."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(out.data["text/plain"] for cell in cells for out in cell.get("outputs", ()) if "data" in out)


@pytest.mark.bpf
def test_it_records_keeps_and_judges(tmp_path: Path) -> None:
    given = {"duration": "5s", "start": True, "scenarios": ["cpu_usage"], "recordings": str(tmp_path / "kept")}
    assert execute(NOTEBOOK, tmp_path / "out.ipynb", given, {}) is None
    (folder,) = (tmp_path / "kept").iterdir()
    recording = sb.open(folder)
    assert recording.state == "complete"
    (verdict,) = sb.replay(recording, ["cpu_usage"]).verdicts
    told = shown(tmp_path / "out.ipynb")
    assert f"into {folder}" in told
    assert verdict.summary[0].text in told


def test_a_node_that_is_not_there_is_a_sentence_in_every_cell(tmp_path: Path) -> None:
    given = {"node": "no-such-host.invalid", "start": True, "recordings": str(tmp_path / "kept")}
    assert execute(NOTEBOOK, tmp_path / "out.ipynb", given, {}) is None
    told = shown(tmp_path / "out.ipynb")
    assert "no-such-host.invalid" in told
    assert told.count("There is no recording yet") == 2
    assert list((tmp_path / "kept").iterdir()) == []
