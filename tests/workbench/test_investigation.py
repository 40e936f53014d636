"""What is looked at, the way back, what was found, and that all of it is there after a restart."""

from __future__ import annotations

from pathlib import Path

import busy_node
import pytest
from busy_node import OTHER_PEER, PEER, SHOP
from synthetic import HOSTILE, START, S

from santabpf.display.escape import visible
from santabpf.errors import BadUsage
from santabpf.replay.stacks import stacks
from santabpf.workbench import Filter, Investigation, Window, restored
from santabpf.workbench.times import parse_moment
from santabpf.workbench.view import View

SHOPPING = Filter("process", "shop", "node-1", SHOP["tgid"], SHOP["start_ns"])


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_node.record(tmp_path_factory.mktemp("busy") / "friday")


@pytest.fixture
def looked(busy: Path, tmp_path: Path) -> Investigation:
    return Investigation(busy, sidecar=tmp_path / "friday.json")


def calls(looked: Investigation) -> int:
    """Reads of orders.db that the view leaves."""
    return looked.lens.ask(looked.view, "SELECT coalesce(sum(calls), 0)::bigint AS n FROM [file_io]")["n"][0].as_py()


def test_a_window_and_filters_leave_what_they_should(looked: Investigation) -> None:
    assert calls(looked) == 30 * 10 + 10
    looked.look(START + 18 * S, START + 22 * S)
    assert calls(looked) == 4 * 10 + 2
    looked.only(SHOPPING)
    assert calls(looked) == 40


def test_a_filter_reaches_tables_through_the_processes_that_had_to_do_with_it(looked: Investigation) -> None:
    looked.only(Filter("peer", PEER))
    assert calls(looked) == 300  # file_io knows no peer, but that it was the shop
    looked.look(START, START + 10 * S)
    looked.only(Filter("frame", "sort"))
    assert calls(looked) == 100
    looked.only(Filter("peer", OTHER_PEER))
    assert calls(looked) == 0  # nobody talked to it in this window
    looked.without(Filter("peer", OTHER_PEER))
    looked.only(Filter("command", "backup"))
    assert calls(looked) == 0


def test_a_frame_leaves_the_stacks_that_it_is_in(looked: Investigation) -> None:
    looked.only(Filter("frame", "compress"))
    found = looked.lens.folded(looked.view, "profile")
    assert found.num_rows == 1
    assert found["value"].to_pylist() == [70]
    assert found["tgid"].to_pylist() == [7002]


def test_each_window_has_its_own_stacks_though_names_are_kept(looked: Investigation) -> None:
    recording = looked.recording
    for start, end in ((0, 10), (10, 40), (0, 40), (0, 10)):
        looked.look(START + start * S, START + end * S)
        found = looked.lens.folded(looked.view, "profile")
        assert found.equals(stacks(recording, "profile", from_ns=START + start * S, to_ns=START + end * S))
        assert found.num_rows


def test_a_table_that_no_filter_reaches_is_named(looked: Investigation) -> None:
    looked.only(SHOPPING)
    assert looked.lens.unreached(looked.view, "runq_hist", "file_io", "metrics", "nothing") == ["runq_hist", "metrics"]


def test_one_steps_back_to_each_view_before(looked: Investigation) -> None:
    views = [looked.view]
    looked.look(START + 5 * S, START + 9 * S)
    views.append(looked.view)
    looked.only(SHOPPING)
    looked.only(SHOPPING)  # nothing new, so no step
    assert len(looked.steps) == 2
    looked.back()
    assert looked.view == views[1]
    looked.back()
    looked.back()
    assert looked.view == views[0]


def test_a_window_is_cut_to_the_recording_and_none_is_refused(looked: Investigation) -> None:
    start, end = looked.everything
    looked.look(start - 10 * S, start + 2 * S)
    assert looked.window == Window(start, start + 2 * S)
    with pytest.raises(BadUsage, match="outside the recording"):
        looked.look(end + S, end + 2 * S)
    with pytest.raises(BadUsage, match="needs a note"):
        looked.mark("  \n")


def test_all_of_it_is_there_after_a_restart(busy: Path, looked: Investigation) -> None:
    looked.look(START + 5 * S, START + 9 * S)
    looked.only(SHOPPING)
    finding = looked.mark("<b>the shop</b> \u202e is slow", "Ada")
    looked.compare_with(Window(START, START + 5 * S))
    again = Investigation(busy, sidecar=looked.sidecar)
    assert (again.view, again.steps, again.findings, again.against) == (
        looked.view, looked.steps, (finding,), Window(START, START + 5 * S))
    again.forget(finding)
    again.back()
    assert Investigation(busy, sidecar=looked.sidecar).view.filters == ()


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"format": 1}', '{"format": 2}', '{"format": 1, "view": {"window": [5, 4], "filters": []}, '
    '"steps": [], "against": null, "findings": []}', '{"format": 1, "view": {"window": [1, 2], "filters": [{"kind": '
    '"sql", "value": "", "node": "", "tgid": null, "start_ns": null}]}, "steps": [], "against": null, "findings": []}',
])
def test_a_broken_sidecar_is_set_aside_and_said(busy: Path, tmp_path: Path, text: str) -> None:
    sidecar = tmp_path / "kept.json"
    sidecar.write_text(text)
    looked = Investigation(busy, sidecar=sidecar)
    assert "could not be read" in looked.notice
    assert looked.view == View(looked.everything)
    assert [path.read_text() for path in tmp_path.glob("*.broken")] == [text]
    with pytest.raises(BadUsage, match="no investigation"):
        restored(busy, text or "{")


def test_where_nothing_can_be_written_it_goes_on_and_says_so(busy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    looked = Investigation(busy, sidecar=tmp_path / "file" / "kept.json")
    looked.only(SHOPPING)
    assert looked.filters == (SHOPPING,)
    assert "cannot be written" in looked.notice


def test_hostile_names_are_filtered_by_as_they_were_recorded(tmp_path: Path) -> None:
    looked = Investigation(busy_node.record(tmp_path / "evil", hostile=True), sidecar=tmp_path / "kept.json")
    looked.only(Filter("file", HOSTILE[1]))
    assert calls(looked) == 310
    looked.only(Filter("command", HOSTILE[4]))
    assert calls(looked) == 10
    looked.whole()
    looked.without(looked.filters[1])
    looked.only(Filter("frame", visible(HOSTILE[3])))  # as a click on it says
    assert calls(looked) == 300
    quoted = Filter("command", "x'; DROP TABLE file_io; --")
    looked.only(quoted)
    assert calls(looked) == 0


def test_a_moment_is_read_as_people_type_it() -> None:
    within = Window(START, START + 30 * S)
    assert parse_moment("12:00:05", within) == START + 5 * S
    assert parse_moment(" 12:00:05.250 UTC", within) == START + 5_250_000_000
    assert parse_moment("2026-05-01 12:01", within) == START + 60 * S
    night = Window(START + 11 * 3600 * S, START + 14 * 3600 * S)  # 23:00 to 02:00
    assert parse_moment("01:00", night) == START + 13 * 3600 * S
    for wrong in ("", "noon", "12", "2026-13-01 12:00", "12:00:05.1234567890"):
        with pytest.raises(BadUsage):
            parse_moment(wrong, within)
