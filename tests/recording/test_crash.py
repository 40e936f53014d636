"""kill -9 at any moment leaves a readable recording, in which every covered second has all its rows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from santabpf.errors import BadUsage, RecordingError
from santabpf.recording import Recording, open, recover, verify

SCRIPT = Path(__file__).with_name("crash_writer.py")
SECOND = 1_000_000_000


def seconds_covered(recording: Recording) -> int:
    """How many seconds the recording covers, having checked that all rows of each are there and nothing is torn."""
    found = Counter(ts // SECOND for ts in recording["fork"].arrow(["ts_ns"])["ts_ns"].to_pylist())
    covered = recording["coverage"].arrow(["ts_ns", "span_ns", "rows"]).to_pylist()
    for row in covered:
        assert found[row["ts_ns"] // SECOND - 1] == row["rows"]
    seconds = sorted(row["ts_ns"] // SECOND for row in covered)
    assert seconds == list(range(1_750_000_001, 1_750_000_001 + len(seconds))), "a second is missing, or there twice"
    tgids = recording["fork"].arrow(["tgid"])["tgid"].to_pylist()
    assert len(set(tgids)) == len(tgids)
    return len(seconds)


@pytest.mark.parametrize("round_", range(5))
def test_killed_at_a_random_moment_it_opens_as_interrupted(tmp_path: Path, round_: int) -> None:
    folder = tmp_path / "killed"
    with subprocess.Popen([sys.executable, SCRIPT, folder, "100000"], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        flushed = [writer.stdout.readline() for _ in range(2 + round_)]
        time.sleep(random.random() / 10)
        writer.send_signal(signal.SIGKILL)
        flushed += writer.stdout.readlines()
    recording = open(folder)
    assert recording.state == "interrupted"
    assert seconds_covered(recording) >= flushed.count("flushed\n") > round_
    assert {"loss", "gaps", "clock", "receipt"} <= set(recording)
    assert recording["loss"].arrow().num_rows == 0


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder in memory where there is one: some ten thousand fsyncs are waited for, and the kill needs no disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize(("how", "segments"), [("steps", 3), ("merging", 5)])
def test_killed_at_every_step_on_the_way_to_the_disk(memory_path: Path, how: str, segments: int) -> None:
    argv = [sys.executable, SCRIPT, memory_path, str(segments), how]
    run = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=240)
    last = int(run.stdout)
    assert last > 50
    reached = Counter()
    for step in range(1, last):
        folder = memory_path / str(step)
        if not folder.exists():
            with pytest.raises(RecordingError, match="no such recording"):
                open(folder)
            reached["nothing"] += 1
            continue
        recording = open(folder)
        reached[recording.state, seconds_covered(recording)] += 1
        mended = recover(folder)
        assert verify(folder) == []
        again = open(folder)
        assert seconds_covered(again) == seconds_covered(recording)
        assert again.state == recording.state
        assert bool(mended) or recover(folder) == []
    states = set(reached)
    assert {"nothing", *(("interrupted", seconds) for seconds in range(segments + 1))} <= states
    assert open(memory_path / str(last)).state == "complete"
    assert verify(memory_path / str(last)) == []
    assert seconds_covered(open(memory_path / str(last))) == segments


def test_a_part_that_was_finished_but_not_listed_is_recovered(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    subprocess.run([sys.executable, SCRIPT, folder, "2"], capture_output=True, check=True)
    listing = json.loads((folder / "recording.json").read_text())
    listing["state"] = "recording"
    for table in listing["tables"].values():  # as it stood before the second segment was listed
        table["parts"] = [part for part in table["parts"] if part["path"].endswith("part-000001.parquet")]
        table["rows"] = sum(part["rows"] for part in table["parts"])
    (folder / "recording.json").write_text(json.dumps(listing))
    broken = folder / "fork" / "node=node-1" / "part-000009.parquet"
    broken.write_bytes(b"PAR1 and then nothing")

    recording = open(folder)
    assert recording.state == "interrupted"
    assert [part.sha256 is None for part in recording.parts("fork")] == [False, True]
    assert seconds_covered(recording) == 2
    assert recording.window == (1_750_000_000 * SECOND, 1_750_000_002 * SECOND)
    assert any("part-000009.parquet" in note for note in recording.info["notes"])
    assert any("not listed in recording.json" in problem for problem in verify(folder))

    done = recover(folder)
    # fork and coverage; the empty ones of fork_failed, loss, gaps, clock and receipt
    assert sum("listed, " in sentence for sentence in done) == 7
    broken.unlink()
    assert verify(folder) == []
    assert recover(folder) == []
    assert all(part.sha256 for part in open(folder).parts("fork"))


def test_a_recording_that_is_being_written_is_not_mended(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    with subprocess.Popen([sys.executable, SCRIPT, folder, "100000"], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert open(folder).state == "recording"
        assert verify(folder) == []
        with pytest.raises(BadUsage, match="is being written"):
            recover(folder)
        writer.kill()
        writer.stdout.read()
    assert open(folder).state == "interrupted"
