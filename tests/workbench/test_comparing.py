"""Two moments chosen and compared: without a browser; and the notebook run without anybody looking."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from planted_moments import START, S, by_chance, moment, usual
from synthetic import nothing_happened

from santabpf.compare import Comparison
from santabpf.display.escape import html_text
from santabpf.errors import BadUsage
from santabpf.workbench import comparing
from santabpf.workbench.moments import Moments

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def friday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 s; in the last ten something is started over and over."""
    rows = {"exec": usual(3, 40)["exec"] + by_chance(9, 10, 30, {"comm": "storm"}, START + 30 * S)}
    return moment(tmp_path_factory.mktemp("moments") / "friday", 40, rows)


def test_two_windows_of_one_recording_follow_what_is_chosen(friday: Path) -> None:
    chosen = Moments(friday, None, "30s..40s", "0s..30s")
    heard = []
    chosen.listen(lambda: heard.append(1))
    assert chosen.comparison.beyond[0].label == "storm"
    assert chosen.comparison is chosen.comparison
    chosen.incident.look(START + 31 * S, START + 36 * S)
    assert heard == [1]
    assert chosen.comparison.incident.seconds == 5
    chosen.good.look(START + 20 * S, START + 33 * S)
    with pytest.raises(BadUsage, match="overlap"):
        _ = chosen.comparison


def test_without_windows_the_alarm_is_compared_with_the_time_before() -> None:
    chosen = Moments("recordings/short_lived_jobs")
    assert chosen.incident.window.start_ns == chosen.good.window.end_ns
    assert chosen.good.window.start_ns == chosen.good.everything.start_ns
    seen = next(v for v in chosen.incident.result.ranked if v.state == "fired").detected
    assert seen is not None
    assert chosen.incident.window.start_ns == seen.onset_ns


def test_where_nothing_fired_halves_are_compared(friday: Path) -> None:
    chosen = Moments(friday)
    assert chosen.good.window.end_ns == chosen.incident.window.start_ns == START + 20 * S


def test_what_cannot_be_compared_is_said_in_every_widget(friday: Path) -> None:
    sides = comparing(friday, None, "10s..30s", "0s..20s")
    assert "overlap" in sides.ranking.message
    assert "overlap" in sides.picture.message
    assert "overlap" in str(sides.plain)
    assert sides.moments is not None
    sides.moments.good.look(START, START + 10 * S)
    assert sides.ranking.message == ""
    assert isinstance(sides.plain, Comparison)


def newer(path: Path) -> None:
    path.mkdir()
    (path / "recording.json").write_text('{"format": 99}')


@pytest.mark.parametrize(("name", "make", "said"), [
    ("nowhere", lambda path: None, "there is no such recording"),
    ("<script>alert(1)</script>", lambda path: None, "there is no such recording"),
    ("newer", newer, "format 99"),
    ("empty", lambda path: nothing_happened(path, ["exec"]), "empty covers no time"),
    ("nothing", nothing_happened, "nothing covers no time"),
])
def test_a_recording_that_can_not_be_compared_gets_a_sentence(
    name: str, make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    sides = comparing(tmp_path / name)
    assert said in sides.ranking.message
    assert said in sides.picture.message
    assert sides.moments is None
    assert html_text(said) in sides.plain._repr_mimebundle_()["text/html"]
    assert "<script>alert" not in sides.choice.children[0].drawing


def test_a_mistake_of_ours_is_a_sentence_and_it_does_not_compare_for_ever(
    friday: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr("santabpf.workbench.moments.compare", fail)
    sides = comparing(friday, None, "10s..20s", "0s..10s")
    assert "mistake in SantaBPF: ZeroDivisionError: no" in sides.ranking.message
    assert "Comparing" not in sides._notice.drawing


def test_the_notebook_runs_without_anybody_looking(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", str(ROOT / "notebooks" / "compare.ipynb"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    shown = json.loads(out.read_text())["cells"][-1]["outputs"][0]["data"]["text/html"]
    assert "throttled_ns" in "".join(shown)
    assert "Noise: the same ranking" in "".join(shown)
