"""The workbench as a widget, without a browser: what clicks and typed moments do, and what bad input gets."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import busy_node
import pytest
from busy_node import SHOP
from shown import check_names_are_text
from synthetic import HOSTILE, START, S, nothing_happened

from santabpf.probes import all_probes
from santabpf.workbench import Filter, Investigation, Workbench
from santabpf.workbench.judged import Judged
from santabpf.workbench.library import entries
from santabpf.workbench.pane import Pane


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("recordings")
    busy_node.record(made / "friday")
    broken, newer = made / "broken", made / "newer"
    for copy in (broken, newer):
        shutil.copytree(made / "friday", copy)
    (broken / "recording.json").write_text("{")
    (newer / "recording.json").write_text('{"format": 99}')
    return made


@pytest.fixture(scope="module")
def held(folder: Path) -> Iterator[Workbench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(Workbench, "_judge", lambda self, opened: None)  # beside everything else, and not here
        yield Workbench(Investigation(folder / "friday", sidecar=None), folder)


@pytest.fixture
def bench(held: Workbench) -> Workbench:
    """One workbench for all, looking at the whole recording."""
    while held.investigation.steps:
        held.investigation.back()
    return held


def said(bench: Workbench) -> str:
    return str(bench._notice.drawing)


def answered(bench: Workbench) -> str:
    return str(bench._answer.drawing)


def click(widget: Any, **what: Any) -> None:
    widget.clicked = {**what, "count": widget.clicked.get("count", 0) + 1}


def test_recordings_that_cannot_be_opened_are_listed_with_the_reason(folder: Path) -> None:
    found = {entry.path.name: entry for entry in entries(folder)}
    assert found["friday"].nodes == "node-1"
    assert found["friday"].span_ns == 30 * S
    assert "recording.json" in found["broken"].problem
    assert "99" in found["newer"].problem


def test_what_cannot_be_kept_is_said_until_it_can_be(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "place").write_text("")
    bench = Workbench(Investigation(folder / "friday", sidecar=tmp_path / "place" / "kept.json"), folder)
    assert bench._notice.layout.display == "none"
    bench.investigation.only(Filter("command", "shop"))
    assert "what you do here is gone at a restart" in said(bench)
    (tmp_path / "place").unlink()
    bench.investigation.back()
    assert bench._notice.layout.display == "none"
    bench.end()


def test_a_click_on_a_row_filters_and_a_chip_takes_it_off(bench: Workbench) -> None:
    bench._tabs.selected_index = 2
    table = bench.views["files"]._widgets[0]
    assert table.picks == 1
    click(table, row=0)
    assert bench.investigation.filters == (Filter("file", "orders.db"),)
    chip = bench._crumbs.children[-1]
    assert chip.description == "✕ file orders.db"
    chip.click()
    assert bench.investigation.filters == ()
    click(table, row=7)  # there is none
    assert bench.investigation.filters == ()


def test_a_range_that_is_dragged_is_looked_at_and_one_outside_is_said(bench: Workbench) -> None:
    chart = bench.views["overview"]._widgets[0]
    chart.selected = [START / 1e6 + 5000.0, START / 1e6 + 9000.0]
    assert bench.investigation.window.span_ns == 4 * S
    chart.selected = [START / 1e6 + 50_000.0, START / 1e6 + 90_000.0]
    assert "outside the recording" in answered(bench)
    assert bench.investigation.window.span_ns == 4 * S


def test_moments_are_typed(bench: Workbench) -> None:
    bench._crumbs.children[2].value = "12:00:10"
    assert bench.investigation.window.start_ns == START + 10 * S
    assert answered(bench) == '<div class="santa"></div>'
    bench._crumbs.children[2].value = "soon"
    assert "is no moment" in answered(bench)
    assert bench._answer.layout.display == ""
    bench.investigation.whole()
    assert bench._answer.layout.display == "none"


def test_a_finding_without_a_note_is_answered_where_it_is_marked(bench: Workbench) -> None:
    bench._findings._mark()
    assert "needs a note" in bench._findings._said.drawing
    assert bench.investigation.findings == ()


def test_a_frame_that_is_clicked_filters_and_one_that_stands_for_many_does_not(bench: Workbench) -> None:
    bench._tabs.selected_index = 4
    flame = bench.views["flames"]._widgets[0]
    click(flame, name="(small)", kind="small", module="", path=[])
    assert bench.investigation.filters == ()
    click(flame, name="sort", kind="user", module="", path=[])
    assert bench.investigation.filters == (Filter("frame", "sort"),)


def test_a_recording_is_chosen_from_the_table(bench: Workbench, folder: Path) -> None:
    rows = [entry.path.name for entry in entries(folder)]
    click(bench._chooser, row=rows.index("newer"))
    assert "99" in said(bench)
    assert bench.investigation.recording.name == "friday"
    click(bench._chooser, row=rows.index("friday"))
    assert bench.investigation.recording.path == folder / "friday"
    bench.investigation.sidecar.unlink(missing_ok=True)


def test_nothing_to_begin_with_is_a_table_and_a_name_that_is_none_a_sentence(folder: Path) -> None:
    assert Workbench(None, folder).investigation is None
    mistyped = said(Workbench("frotz", folder))
    assert "there is no such recording" in mistyped
    assert len(mistyped) < 400


def test_a_folder_that_is_not_there_is_said(folder: Path) -> None:
    assert Workbench(None, folder)._library.titles[0] == f"Recordings in {folder.name}/: 3"
    bench = Workbench(None, folder / "nowhere")
    assert bench.folder.name == "recordings"
    assert f"There is no folder {folder / 'nowhere'}; these recordings come with SantaBPF" in bench._library.titles[0]


@pytest.mark.parametrize("probes", [(), tuple(all_probes())], ids=["no table", "every table"])
def test_an_empty_recording_is_a_sentence_wherever_one_clicks(
    probes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = nothing_happened(tmp_path / "recordings" / "empty", probes)
    bench, others = Workbench(None, path.parent), set(threading.enumerate())
    click(bench._chooser, row=0)
    for judging in set(threading.enumerate()) - others:
        judging.join(60)
    for tab in range(len(bench._tabs.children)):
        bench._tabs.selected_index = tab
    for name, view in bench.views.items():
        for shown in view._widgets:
            assert isinstance(shown, Pane), name
            assert "<p" in shown.drawing or "santa-badge" in shown.drawing, name
            assert "mistake in SantaBPF" not in shown.drawing, name
    bench._crumbs.children[2].value = "12:00:10"
    assert "empty covers no time" in answered(bench)
    player = bench._place.children[1]
    player.selected_index = 0
    assert "nothing to " in player.children[0].children[0].message


def test_hostile_names_are_text_all_over_the_bench_and_in_the_player(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Workbench, "_judge", lambda self, opened: None)
    path = busy_node.record(tmp_path / "recordings" / "<img src=x onerror=alert(1)>", hostile=True)
    bench = Workbench(path, path.parent)
    for name in HOSTILE[:5]:
        bench.investigation.only(Filter("command", name))
        bench.investigation.mark(name, name)
        bench.investigation.back()
    _ = bench.investigation.verdicts()
    for tab in range(len(bench._tabs.children)):
        bench._tabs.selected_index = tab
        bench._draw()
    bench._place.children[1].selected_index = 0
    player = bench._place.children[1].children[0].children[0]
    player.seek(player.player.end_ns)
    check_names_are_text(bench, at_least=5)


def test_a_mistake_of_ours_is_a_sentence_in_its_panel(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("<b>no</b>")

    monkeypatch.setattr("santabpf.workbench.panel_view.draw", fail)
    bench.investigation.only(Filter("process", "shop", "node-1", SHOP["tgid"], SHOP["start_ns"]))
    shown = bench.views["overview"]._widgets[0].drawing
    assert "mistake in SantaBPF: ZeroDivisionError: &lt;b&gt;no&lt;/b&gt;" in shown


def test_what_was_judged_is_known_again_unless_the_recording_changed(folder: Path, tmp_path: Path) -> None:
    Judged(tmp_path / "judged.json").put(folder / "friday", "Fired: <b>")
    assert Judged(tmp_path / "judged.json").get(folder / "friday") == "Fired: <b>"
    assert Judged(tmp_path / "judged.json").get(folder / "newer") is None
    (tmp_path / "judged.json").write_text("[1]")
    assert Judged(tmp_path / "judged.json").get(folder / "friday") is None
