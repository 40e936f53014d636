"""Evidence without a row leaves a sentence out, and says so; it never takes the verdict away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import santabpf as sb
from santabpf.replay import replay, telling

RECORDINGS = Path(__file__).parents[2] / "recordings"
FAULTS = sorted(p.name for p in RECORDINGS.iterdir() if p.is_dir() and "quiet" not in p.name)
LEFT_OUT = "no row tells"


@pytest.mark.parametrize("name", FAULTS)
def test_a_verdict_stands_whichever_evidence_has_no_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = sb.open(RECORDINGS / name)
    tell, values_of = telling.tell, telling._values
    told: list[tuple[str, Any]] = []

    def each(judge: Any, *rest: Any) -> Any:
        whole, values = tell(judge, *rest), values_of(judge, *rest[:2])
        for evidence in judge.scenario.evidence:
            with monkeypatch.context() as patch:
                patch.setattr(telling, "_values", lambda *_, e=evidence: values | {e.name: []})
                told.append((evidence.title, tell(judge, *rest)))
        return whole

    monkeypatch.setattr(telling, "tell", each)
    (verdict,) = replay(recording, [recording.info["drill"]["scenario"]]).verdicts
    assert verdict.state == "fired"
    assert not [s.text for s in verdict.could_not_tell if LEFT_OUT in s.text]
    assert len(told) >= 3
    for title, parts in told:
        said = [s.text for s in parts.possible if LEFT_OUT in s.text]
        assert not said or f"{title}: {LEFT_OUT}, so what would be said of it is left out." in said
        assert parts.culprit is not None
    assert any(LEFT_OUT in s.text for _, parts in told for s in parts.possible)
