"""A recording whose bytes are not the ones it lists is not judged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import santabpf as sb
from santabpf.errors import RecordingError
from santabpf.recording import check_bytes, verify

FAULT = Path(__file__).parents[2] / "recordings" / "short_lived_jobs"


def test_rows_that_were_exchanged_for_others_that_decode_are_not_judged(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(FAULT, copy)
    check_bytes(sb.open(copy))
    listed = json.loads((copy / "recording.json").read_text())
    part = listed["tables"]["exec"]["parts"][0]
    part["sha256"] = "0" * 64
    (copy / "recording.json").write_text(json.dumps(listed))
    with pytest.raises(RecordingError, match=r"part-\d+\.parquet: its sha256 is not the one in recording\.json"):
        sb.replay(sb.open(copy))
    assert any("sha256" in problem for problem in verify(copy))
