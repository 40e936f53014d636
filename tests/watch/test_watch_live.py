"""watch for real: a provoked fault, judged while it is recorded, and the same verdict when it is replayed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import santabpf as sb
from santabpf.errors import BadUsage
from santabpf.replay import Evaluator


@pytest.mark.bpf
def test_alarms_begin_and_end_live_and_the_replay_says_the_same(tmp_path: Path) -> None:
    fault = subprocess.Popen(
        [sys.executable, "-m", "santabpf", "reproduce", "short_lived_jobs", "--seconds", "8", "--json"],
        stdout=subprocess.DEVNULL,
    )
    seen: list[tuple[str, str]] = []
    told = tmp_path / "told"
    told.mkdir()
    try:
        rec, live = sb.watch(
            "local", ["short_lived_jobs"], "20s", out=tmp_path / "rec", scope={"tree": fault.pid}, progress=False,
            on_alarm=lambda event: seen.append((event.alarm, event.state)),
            command=f'cat > "{told}/$SANTABPF_STATE.json"',
        )  # fmt: skip
    finally:
        assert fault.wait(timeout=60) == 0
    states = [state for alarm, state in seen if alarm == "short_lived_jobs"]
    assert states[0] in ("warn", "crit")
    assert states[-1] == "clear"
    assert [v.state for v in live.verdicts] == ["fired"]
    assert [v.to_json() for v in sb.replay(rec, ["short_lived_jobs"]).verdicts] == [v.to_json() for v in live.verdicts]
    first = json.loads((told / f"{states[0]}.json").read_text())
    assert first["scenario"] == "short_lived_jobs"
    assert first["state"] == "fired"


def test_a_misspelt_scenario_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="did you mean 'short_lived_jobs'"):
        sb.watch("local", ["short_lived_job"], "5s", out=tmp_path / "rec")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bpf
def test_what_fails_while_judging_ends_the_recording_and_is_raised(tmp_path: Path) -> None:
    seconds = []

    def look(evaluator: Evaluator) -> None:
        seconds.append(evaluator.next)
        raise BadUsage("enough")

    with pytest.raises(BadUsage, match="enough"):
        sb.watch("local", ["cpu_usage"], None, out=tmp_path / "rec", progress=False, on_second=look)
    assert len(seconds) == 1
    assert sb.open(tmp_path / "rec").state == "complete"
