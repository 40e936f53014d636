"""santabpf verify: a verdict is derived again, and what was changed, or came from elsewhere, is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from santabpf.errors import BadVerdict
from santabpf.recording import open as open_recording
from santabpf.replay import replay
from santabpf.report import report, verdicts_in_page
from santabpf.scenarios import load_scenario
from santabpf.verdict.model import digest
from santabpf.verify import verify

ROOT = Path(__file__).parents[1]
FAULT, OTHER = ROOT / "recordings" / "short_lived_jobs", ROOT / "recordings" / "short_lived_jobs_cron"


@pytest.fixture(scope="module")
def verdict() -> str:
    return replay(open_recording(FAULT), ["short_lived_jobs"]).verdicts[0].to_json()


def written(folder: Path, body: object) -> Path:
    path = folder / "verdict.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    return path


def test_a_verdict_holds_for_its_recording_wherever_that_lies(tmp_path: Path, verdict: str) -> None:
    shutil.copytree(FAULT, tmp_path / "moved")
    (checked,) = verify(written(tmp_path, verdict), open_recording(tmp_path / "moved"))
    assert (checked.holds, checked.state, checked.reasons) == (True, "fired", ())


def test_a_verdict_does_not_hold_for_another_recording(tmp_path: Path, verdict: str) -> None:
    (checked,) = verify(written(tmp_path, verdict), open_recording(OTHER))
    assert not checked.holds
    assert any("another recording" in reason and "exit" in reason for reason in checked.reasons)


def test_of_a_report_of_several_recordings_each_is_checked_on_its_own(tmp_path: Path, verdict: str) -> None:
    other = replay(open_recording(OTHER), ["short_lived_jobs"]).verdicts[0].to_json()
    bodies = [json.loads(verdict), json.loads(other)]
    pairs = list(zip((FAULT, OTHER), bodies, strict=True))
    listed = [{"name": path.name, "digests": [body["digest"]]} for path, body in pairs]
    path = written(tmp_path, {"verdicts": bodies, "recordings": listed})
    for recording, body in pairs:
        (checked,) = verify(path, open_recording(recording))
        assert (checked.holds, checked.digest) == (True, body["digest"])
    with pytest.raises(BadVerdict, match="not of quiet_idle"):
        verify(path, open_recording(ROOT / "recordings" / "quiet_idle"))
    with pytest.raises(BadVerdict, match="of none of its recordings"):
        verify(written(tmp_path, {"verdicts": bodies, "recordings": [listed[0], listed[0]]}), open_recording(FAULT))
    with pytest.raises(BadVerdict, match="does not say"):
        verify(written(tmp_path, {"verdicts": bodies, "recordings": [1, 2]}), open_recording(FAULT))


def test_one_changed_word_is_seen_with_and_without_a_mended_digest(tmp_path: Path, verdict: str) -> None:
    body = json.loads(verdict)
    body["state"] = "quiet"
    (checked,) = verify(written(tmp_path, body), open_recording(FAULT))
    assert any("was changed" in reason for reason in checked.reasons)
    body["digest"] = digest(body)
    (checked,) = verify(written(tmp_path, body), open_recording(FAULT))
    assert "it says quiet, and the recording gives fired" in checked.reasons


def test_a_word_too_many_about_what_it_was_derived_from_is_seen(tmp_path: Path, verdict: str) -> None:
    body = json.loads(verdict)
    body["inputs"]["scenario_origin"] = "own"
    body["digest"] = digest(body)
    (checked,) = verify(written(tmp_path, body), open_recording(FAULT))
    assert checked.reasons == ("it says something else of what it was derived from",)


def test_other_parameters_of_the_scenario_are_told(tmp_path: Path) -> None:
    changed = load_scenario(ROOT / "scenarios" / "short_lived_jobs", warn=0.06)
    body = replay(open_recording(FAULT), [changed]).verdicts[0].to_json()
    (checked,) = verify(written(tmp_path, body), open_recording(FAULT))
    assert any("other parameters" in reason for reason in checked.reasons)


def test_a_report_carries_its_verdicts_and_can_be_checked_by_its_page_alone(tmp_path: Path) -> None:
    made = report(open_recording(FAULT), tmp_path / "r.html", ["short_lived_jobs"], progress=False)
    assert json.loads(verdicts_in_page(made.path.read_text())) == json.loads(made.verdict_path.read_text())
    for given in (made.path, made.verdict_path):
        command = [sys.executable, "-m", "santabpf", "verify", str(given), "-r", str(FAULT), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert (done.returncode, json.loads(done.stdout)["holds"]) == (0, True), done.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", "{\"verdicts\": []}", "<html></html>", "no json"])
def test_what_holds_no_verdict_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadVerdict, match=r"verdict.json: "):
        verify(written(tmp_path, text), open_recording(FAULT))
