"""The whole benchmark, small: everything is measured, and nothing is left behind."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path

import pytest
from on_the_node import Traces

import santabpf.bench
from santabpf.bench import bench


@pytest.mark.bpf
@pytest.mark.ssh
def test_all_is_measured_and_nothing_is_left(tmp_path: Path, traces: Traces) -> None:
    places = glob.glob(f"{tempfile.gettempdir()}/santabpf-*")
    lines: list[str] = []
    result = bench(tmp_path / "benchmarks.md", quick=True, say=lines.append)
    figures = [(family.title, f) for family in result.families for f in family.figures]
    assert [(title, f.what, f.note) for title, f in figures if f.state == "not taken"] == []
    (_, rows), = result.families[0].tables
    assert [row[0] for row in rows] == [
        "none", "elf, local", "elf, over SSH", "BCC callback", "bpftrace printf", "perf record",
    ]  # fmt: skip
    assert all(row[1].replace(",", "").replace(" M", "").replace(".", "").isdigit() for row in rows[1:]), rows
    page = (tmp_path / "benchmarks.md").read_text()
    assert page == result.to_markdown()
    assert os.uname().nodename not in page.split()
    assert tempfile.gettempdir() not in page
    assert traces.elves_below(os.getpid()) == set()
    assert [p for p in glob.glob(f"{tempfile.gettempdir()}/santabpf-bench-*") if p not in places] == []
    assert any(line.startswith("The package") for line in lines)


def test_where_bpf_cannot_be_used_the_figures_say_so_and_keep_their_goals(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(santabpf.bench, "why_no_bpf", lambda: "needs root")
    monkeypatch.setattr(santabpf.bench, "open_recording", _no_recording)
    figures = {f.what: f for family in bench(quick=True).families for f in family.figures}
    for what in ("CPU an event", "decode + write", "one probe"):
        assert figures[what].state == "not taken"
        assert figures[what].note == "needs root"
    assert figures["decode + write"].row()[3] == "≥ 3 M events/s"
    assert figures["import santabpf"].state in ("met", "missed")


def _no_recording(name: str) -> None:
    from santabpf.errors import RecordingError

    raise RecordingError(f"{name}: there is no such recording")
