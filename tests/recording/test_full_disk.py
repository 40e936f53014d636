"""A disk that is full in mid-recording: one error that names the path, and what was written stays readable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from santabpf.recording import open, verify

SCRIPT = """
import os, resource, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from crash_writer import batch
from santabpf.errors import RecordingError
from santabpf.recording import Writer
folder, copy, limit = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
info = {"nodes": {"node-1": {}}, "probes": {"fork": {"params": {}, "state": "on", "why": None}}}
flushed = 0
try:
    with Writer(folder, info=info, segment_s=1e9) as writer:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        for second in range(10_000):
            ends = [1_750_000_000_000_000_000 + second * 10**9 + i * 7919 * i for i in range(300 + second)]
            writer.append("node-1", "fork", batch("fork", [{"ts_ns": t, "comm": os.urandom(8).hex()} for t in ends]))
            cover = {"ts_ns": ends[0], "span_ns": 10**9, "probe": "fork", "table": "fork", "rows": len(ends), "late": 0}
            writer.append("node-1", "coverage", batch("coverage", [cover]))
            writer.flush()
            flushed += 1
except RecordingError as exc:
    print(flushed, exc)
if copy:
    shutil.copytree(folder, copy)
"""


def check(folder: Path, said: str, why: str) -> None:
    """What is there is whole, and it is all that was flushed before the disk was full."""
    flushed, _, message = said.strip().partition(" ")
    assert why in message
    assert "is kept and readable" in message
    assert "/recording.json: " in message or "/part-" in message
    recording = open(folder)
    assert recording.state == "interrupted"
    assert int(flushed) > 0
    counted = {row["ts_ns"]: row["rows"] for row in recording["coverage"].arrow().to_pylist()}
    assert len(counted) in (int(flushed), int(flushed) + 1)  # one more where only recording.json found no room
    found = recording["fork"].arrow(["ts_ns"])["ts_ns"].to_pylist()
    for end, rows in counted.items():
        assert sum(end <= ts < end + 10**9 for ts in found) == rows
    assert not list(folder.rglob(".*")), "nothing half-written is left"
    assert all("not listed" in problem for problem in verify(folder))


def test_a_full_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root, to mount a tiny disk of its own")
    small, copy = tmp_path / "small", tmp_path / "copy"
    small.mkdir()
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=400k tmpfs "$0" && exec "$@"', small, sys.executable,
         "-c", SCRIPT, Path(__file__).parent, small / "rec", copy, "0"],
        capture_output=True, text=True,
    )
    assert run.returncode == 0, run.stderr
    check(copy, run.stdout, "No space left on device")


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, Path(__file__).parent, folder, "", "16000"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    check(folder, run.stdout, "File too large")
