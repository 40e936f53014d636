"""The demo: live where it can be, else from the bundled recording, saying why."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from santabpf import demo as room
from santabpf import gym
from santabpf.demo import demo
from santabpf.errors import CannotContain, RecordingError
from santabpf.shipped import shipped

BUNDLED = pytest.mark.skipif(
    not (shipped("recordings") / room.SCENARIO).is_dir(), reason="no recording of the first scenario is bundled"
)


@pytest.mark.bpf
def test_the_demo_provokes_records_judges_and_leaves_one_page(tmp_path: Path) -> None:
    told: list[str] = []
    shown = demo(tmp_path / "page.html", say=told.append)
    assert (shown.live, shown.verdict.state, shown.exit_code) == (True, "fired", 0), told
    assert shown.page.stat().st_size > 100_000
    assert told[-1] == f"the postmortem: {shown.page}"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["page.html"]


@BUNDLED
def test_where_a_drill_is_refused_the_bundled_recording_is_shown_and_one_line_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise CannotContain("a drill can't be kept\nwithin bounds here: it needs root.")

    monkeypatch.setattr(gym, "drill", refuse, raising=False)
    told: list[str] = []
    shown = demo(tmp_path / "page.html", say=told.append)
    assert (shown.live, shown.verdict.state, shown.exit_code) == (False, "fired", 0)
    assert "not recorded here: a drill can't be kept within bounds here: it needs root" in told
    assert shown.as_dict()["why"] == "a drill can't be kept within bounds here: it needs root"
    assert shown.page.exists()


@BUNDLED
def test_the_bundled_recording_can_be_asked_for(tmp_path: Path) -> None:
    told: list[str] = []
    shown = demo(tmp_path / "page.html", bundled=True, say=told.append)
    assert (shown.live, shown.verdict.state) == (False, "fired")
    assert not any("provoking" in line for line in told)


def test_without_a_bundled_recording_there_is_nothing_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "shipped", lambda folder: tmp_path)
    with pytest.raises(RecordingError, match="the bundled recording is not there"):
        demo(tmp_path / "page.html", bundled=True, say=lambda line: None)


def test_a_demo_in_which_nothing_fired_has_failed(tmp_path: Path) -> None:
    verdict = SimpleNamespace(state="cannot_tell")
    assert room.Demo(tmp_path, verdict, True, "").exit_code == 1  # type: ignore[arg-type]
