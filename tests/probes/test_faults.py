"""Planted major faults: all of them, and on which file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from planting import check_planted

from santabpf.probes import source

pytestmark = pytest.mark.bpf


def test_640_pages_that_were_touched_are_640_faults_on_their_file(tmp_path: Path) -> None:
    check_planted("faults", tmp_path)


def test_without_mm_filemap_fault_they_are_counted_and_no_file_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = source.plan

    def plan(*args: Any, **options: Any) -> dict[str, Any]:
        made = make(*args, **options)
        (probe,) = made["probes"]
        probe["attach"] = [entry.replace("mm_filemap_fault?", "mm_filemap_gone?") for entry in probe["attach"]]
        probe["source"] = "#define HAS_MM_FILEMAP_FAULT 0\n" + probe["source"]
        return made

    monkeypatch.setattr(importlib.import_module("santabpf.record"), "make_plan", plan)
    check_planted("faults", tmp_path)
