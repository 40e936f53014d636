"""Reports made once for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
from books import NotebookMaker

import santabpf as sb
from santabpf.recording import Recording
from santabpf.report import Report


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A synthetic recording in which short_lived_jobs fires."""
    return sb.open(synthetic.record(tmp_path_factory.mktemp("plain") / "friday", jobs=120))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same with names and arguments that an attacker would choose."""
    return sb.open(synthetic.record(tmp_path_factory.mktemp("hostile") / "friday", jobs=120, hostile=True))


@pytest.fixture(scope="session")
def made(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of `recording`."""
    return sb.report(recording, tmp_path_factory.mktemp("made") / "postmortem.html")


@pytest.fixture(scope="session")
def made_of_hostile(hostile: Recording, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of `hostile`."""
    return sb.report(hostile, tmp_path_factory.mktemp("hostile-made") / "postmortem.html")


@pytest.fixture
def notebook(tmp_path: Path) -> NotebookMaker:
    """Writes a notebook out of cells: notebook('1 + 1', 'raise ValueError')."""
    return NotebookMaker(tmp_path)
