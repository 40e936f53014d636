"""santabpf lab: what it puts where, what it refuses, and that Ctrl-C ends all of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from santabpf import lab
from santabpf.errors import BadUsage
from santabpf.shipped import shipped

ROOT = Path(__file__).parents[2]


def test_notebooks_are_put_there_and_none_is_overwritten(tmp_path: Path) -> None:
    new = {path.name for path in lab.place_notebooks(tmp_path)}
    assert new == {path.name for path in shipped("notebooks").glob("*.ipynb")}
    (tmp_path / "notebooks" / lab.NOTEBOOK).write_text("mine")
    (tmp_path / "notebooks" / "live.ipynb").unlink()
    assert [path.name for path in lab.place_notebooks(tmp_path)] == ["live.ipynb"]
    assert (tmp_path / "notebooks" / lab.NOTEBOOK).read_text() == "mine"


def test_a_folder_that_is_none_or_cannot_be_written_to_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="no such folder"):
        lab.lab(tmp_path / "nowhere")
    (tmp_path / "notebooks").write_text("a file")
    with pytest.raises(BadUsage, match="cannot be put there"):
        lab.place_notebooks(tmp_path)


def test_a_port_that_is_taken_is_bad_usage_and_another_is_found_by_itself() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadUsage, match="choose another with --port"):
            lab.free_port(taken.getsockname()[1])
    assert lab.free_port() >= lab.FIRST_PORT


def test_without_jupyterlab_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    with pytest.raises(BadUsage, match=r"pip install 'santabpf\[lab\]'"):
        lab.lab(tmp_path, browser=False)
    assert not (tmp_path / "notebooks").exists()


def test_it_serves_the_notebook_with_a_token_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab")
    env = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-m", "santabpf", "lab", str(tmp_path), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        url = re.search(r"http://127\.0\.0\.1:\d+/lab/tree/notebooks/investigate\.ipynb\?token=\S+", said)[0]
        with urllib.request.urlopen(url) as answer:
            assert b"JupyterLab" in answer.read()
        base, token = url.split("/lab/")[0], url.split("token=")[1]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{base}/api/contents")
        family = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        assert token not in family  # of processes, which everybody may see
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(base)
