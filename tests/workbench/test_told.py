"""Investigations told in notebooks that run without anybody looking; the postmortem: test_investigate_in_lab.py."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import synthetic

from santabpf.report.run import execute
from santabpf.shipped import shipped
from santabpf.workbench import Filter, Investigation, findings, restored


def test_investigate_runs_headless_on_a_bundled_recording(tmp_path: Path) -> None:
    failed = execute(shipped("notebooks") / "investigate.ipynb", tmp_path / "out.ipynb", {"recording": "quiet_idle"},
                     {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})
    assert failed is None
    outputs = [output for cell in nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
               for output in cell.get("outputs", [])]
    shown = next(o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {}))
    assert "Investigation of quiet_idle" in shown["data"]["text/plain"]


def test_what_is_restored_says_what_was_looked_at_and_found(tmp_path: Path) -> None:
    recording = synthetic.record(tmp_path / "friday", jobs=5)
    looked = Investigation(recording, sidecar=tmp_path / "kept.json")
    assert "Nobody marked a finding" in str(findings(looked))
    looked.only(Filter("command", "dd"))
    looked.mark("dd\nreads it all", "Ada")
    again = restored(recording, (tmp_path / "kept.json").read_text())
    assert again.view == looked.view
    told = str(findings(again))
    assert "command dd" in told
    assert "1. dd\\nreads it all" in told
    assert "Marked by Ada" in told
    again.back()
    assert json.loads((tmp_path / "kept.json").read_text())["view"]["filters"]  # nothing of it is kept
