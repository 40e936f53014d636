"""A scenario's folder is whole: rules, a case with its date, a fault and look-alikes, and recordings of both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import santabpf as sb
from santabpf.shipped import shipped

FOLDERS = sorted(path.parent for path in shipped("scenarios").glob("*/scenario.yaml"))
DRILLS = [sb.open(path.parent).info["drill"] for path in sorted(shipped("recordings").glob("*/recording.json"))]
#: Nothing on a node can take its host's CPUs away: shown by recordings that say that they are synthetic.
UNPROVOKED = {"cpu_steal"}

each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


def test_each_folder_is_a_scenario() -> None:
    rooms = {path.name for path in shipped("scenarios").iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert rooms == {folder.name for folder in FOLDERS}
    assert rooms >= UNPROVOKED


@each
def test_its_readme_tells_a_case_with_its_date(folder: Path) -> None:
    assert re.search(r"^#+ .*\b20\d\d-[01]\d(-[0-3]\d)?\b", (folder / "README.md").read_text(), re.MULTILINE)


@each
def test_its_fault_and_a_look_alike_can_be_provoked(folder: Path) -> None:
    has = (folder / "reproduce.sh").is_file(), any((folder / "quiet").glob("*.sh"))
    assert has == (folder.name not in UNPROVOKED,) * 2


@each
def test_there_are_recordings_of_the_fault_and_of_a_look_alike(folder: Path) -> None:
    assert {drill["expected"] for drill in DRILLS if drill["scenario"] == folder.name} == {"fired", "quiet"}
