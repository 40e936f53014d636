"""The folder of a drill's recording: there while it is wanted, and gone afterwards, whatever became of the drill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from santabpf.errors import CannotProvoke
from santabpf.gym.folder import passing_folder

ASKER = """
import sys, time
from santabpf.gym.folder import passing_folder
with passing_folder() as folder:
    (folder / "recording").mkdir()
    (folder / "recording" / "part").write_text("planted")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_it_is_there_for_as_long_as_it_is_wanted(tmp_path: Path) -> None:
    with passing_folder() as folder:
        (folder / "part").write_text("planted")
        assert list(tmp_path.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), passing_folder():
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_goes_with_a_process_that_is_killed(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASKER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as asker:
        assert asker.stdout is not None
        folder = Path(os.fsdecode(asker.stdout.readline().rstrip()))
        assert (folder / "recording" / "part").read_text() == "planted"
        os.killpg(asker.pid, number)
    end = time.monotonic() + 30
    while list(tmp_path.iterdir()) and time.monotonic() < end:
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def test_where_none_can_be_made_it_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("santabpf.gym.folder._KEEPER", "import tempfile; tempfile.mkdtemp(dir='/proc')")
    told = r"no place for a drill's recording: .*No such file or directory"
    with pytest.raises(CannotProvoke, match=told), passing_folder():
        pass
