"""A recording that can't be judged: it says so, and why, wherever it said that it is being judged."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from santabpf.errors import RecordingError
from santabpf.workbench import Investigation, Workbench
from santabpf.workbench.panels import draw


@pytest.mark.parametrize(("failure", "why"), [
    (RecordingError("exit is missing"), "The recording could not be judged: exit is missing"),
    (ZeroDivisionError("<b>"), "a mistake in SantaBPF: ZeroDivisionError: &lt;b&gt;")])
def test_the_overview_says_why_a_recording_could_not_be_judged(
    failure: Exception, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise failure

    monkeypatch.setattr("santabpf.workbench.investigation.replay", fail)
    looked = Investigation("recordings/short_lived_jobs", sidecar=None)
    assert len(draw(looked, "overview")) == 1
    with pytest.raises(type(failure)):
        _ = looked.result
    whole, said = draw(looked, "overview")
    notes = [note["text"] for note in whole.shown.spec["layout"]["annotations"]]
    assert "the recording could not be judged" in notes
    assert not any("being judged" in note for note in notes)
    assert why in said.shown.html()
    looked.close()


def test_a_mistake_of_ours_is_no_judging_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("santabpf.workbench.investigation.replay", fail)
    others = set(threading.enumerate())
    bench = Workbench(Investigation("recordings/short_lived_jobs", sidecar=None), "recordings")
    for judging in set(threading.enumerate()) - others:
        judging.join(60)
    assert "mistake in SantaBPF: ZeroDivisionError" in bench.views["verdicts"]._widgets[0].drawing
    assert "could not be judged: a mistake in SantaBPF: ZeroDivisionError: no" in bench._chooser.drawing
    bench.investigation.close()
