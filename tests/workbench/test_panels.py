"""Every panel: what it shows of a view, that its clicks lead somewhere, and that bad input gets a sentence."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import busy_node
import numpy as np
import pyarrow as pa
import pytest
import synthetic
from busy_node import BACKUP, OTHER_PEER, PEER, SHOP
from synthetic import HOSTILE, MS, START, S

from santabpf.display import Figure, Flame, Words
from santabpf.display.escape import html_text, visible
from santabpf.display.words import Badge
from santabpf.errors import BadUsage
from santabpf.probes import all_probes
from santabpf.workbench import Filter, Investigation, Window
from santabpf.workbench.panels import GROUPS, all_panels, draw
from santabpf.workbench.part import Part, step_ns
from santabpf.workbench.view import View

SHOPPING = Filter("process", "shop", "node-1", SHOP["tgid"], SHOP["start_ns"])


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_node.record(tmp_path_factory.mktemp("busy") / "friday")


@pytest.fixture(scope="module")
def held(busy: Path) -> Iterator[Investigation]:
    made = Investigation(busy, sidecar=None)
    yield made
    made.close()


@pytest.fixture
def looked(held: Investigation) -> Investigation:
    """The busy node, looked at as a whole; its process that answers queries is the same for all tests."""
    held.view, held.against = View(held.everything), None
    return held


def table(parts: list[Part]) -> list[list[str]]:
    """The rows of the only table."""
    (part,) = parts
    assert isinstance(part.shown, Words)
    return [[cell[0] if isinstance(cell, tuple) else str(cell) for cell in row] for row in part.shown.blocks[0].rows]


def text(parts: list[Part]) -> str:
    return " ".join(str(part.shown) for part in parts)


def test_panels_are_found_by_being_there_each_in_a_tab() -> None:
    assert list(all_panels())[:4] == ["overview", "unknown", "verdicts", "signals"]
    assert {panel.group for panel in all_panels().values()} == {"overview", *GROUPS}


def test_files_are_ranked_with_their_calls_data_and_time(looked: Investigation) -> None:
    assert table(draw(looked, "files"))[0][:4] == ["orders.db", "610 ms", "310", "1.21 MiB"]
    assert looked.panel("files")[0].picks == [Filter("file", "orders.db")]
    looked.only(Filter("process", "backup", "node-1", BACKUP["tgid"], BACKUP["start_ns"]))
    assert table(draw(looked, "files"))[0][:3] == ["orders.db", "10 ms", "10"]


def test_peers_and_connections_follow_the_window(looked: Investigation) -> None:
    assert [row[:2] for row in table(draw(looked, "peers"))] == [[OTHER_PEER, "15"], [PEER, "15"]]
    looked.look(START, START + 10 * S)
    assert [row[:3] for row in table(draw(looked, "peers"))] == [[PEER, "10", "2"]]
    (part,) = draw(looked, "connections")
    assert "10 connections in this window, of which 2 did not end in order" in str(part.shown)
    assert part.picks[0] == SHOPPING


def test_failed_calls_name_the_error_and_the_process(looked: Investigation) -> None:
    looked.look(START + 3 * S, START + 6 * S)
    (part,) = draw(looked, "errors")
    assert table([part]) == [["shop", "7001", "openat", "ENOENT: No such file or directory", "69"]]
    assert part.picks == [SHOPPING]


def test_processes_are_commands_until_one_is_chosen(looked: Investigation) -> None:
    (part,) = draw(looked, "processes")
    commands = [row[0] for row in table([part])]
    assert {"bzip2", "dd", "shop", "backup"} <= set(commands)
    assert part.picks[commands.index("shop")] == Filter("command", "shop")
    looked.only(Filter("command", "shop"))
    (part,) = draw(looked, "processes")
    assert part.picks == [SHOPPING]


def test_the_tree_holds_who_started_or_ended_in_the_window(looked: Investigation) -> None:
    (part,) = draw(looked, "tree")
    names = {pick.value for pick in part.picks}
    assert {"cron", "backup.sh", "bzip2"} <= names
    assert len(part.picks) == len(part.shown.boxes)
    bzip2 = next(pick for pick in part.picks if pick.value == "bzip2")
    looked.only(bzip2)
    (part,) = draw(looked, "tree")
    assert {pick.value for pick in part.picks} == {"bzip2"}
    assert part.picks[-1] == bzip2


def test_the_tree_keeps_who_was_clicked_with_those_it_started() -> None:
    looked = Investigation("recordings/reverse_shell", sidecar=None)
    (whole,) = draw(looked, "tree")
    top = whole.picks[0]
    assert top.value == "santabpf-drill"
    looked.only(top)
    (part,) = draw(looked, "tree")
    assert part.picks[0] == top  # which neither started, ended nor did anything else in this recording
    children = [pick for pick, box in zip(whole.picks, whole.shown.boxes, strict=True) if box.parent == 0]
    assert children
    assert list(part.picks[1:]) == children
    assert "neither started, ended" not in part.shown.note  # nobody asked for the others
    looked.close()


def test_the_tree_keeps_who_was_clicked_in_a_window_through_which_it_lived() -> None:
    looked = Investigation("recordings/reverse_shell", sidecar=None)
    start = looked.everything.start_ns
    shell = next(pick for pick in draw(looked, "tree")[0].picks if pick.tgid == 32086)
    looked.only(shell)
    looked.look(start + 4 * S, start + 5 * S)
    (part,) = draw(looked, "tree")
    (box,) = [box for pick, box in zip(part.picks, part.shown.boxes, strict=True) if pick == shell]
    assert (box.start_us, box.span_us) == (0, 1_000_000)
    for second in (0, 13):  # before it began, and when it was over
        looked.look(start + second * S, start + (second + 1) * S)
        assert "Of what the filters leave, no process started or ended" in text(draw(looked, "tree"))
    looked.close()


def test_a_filtered_panel_that_is_empty_says_so_of_what_the_filters_leave() -> None:
    looked = Investigation("recordings/reverse_shell", sidecar=None)
    looked.only(draw(looked, "tree")[0].picks[0])
    for name, panel in all_panels().items():
        said = text(draw(looked, name))
        if panel.group not in ("overview", "verdicts") and "in this window" in said and "not recorded" not in said:
            assert "Of what the filters leave, " in said, name
    assert text(draw(looked, "peers")) == "Of what the filters leave, nobody was talked to in this window."
    looked.close()


def test_a_filtered_tree_has_whole_lives_and_not_those_rows_alone_that_bear_the_name(looked: Investigation) -> None:
    looked.only(Filter("command", "apache2"))  # as its jobs are called between fork and exec
    (part,) = draw(looked, "tree")
    ended = {row["tgid"]: row["ts_ns"] for row in looked.recording["exit"].arrow(["tgid", "ts_ns"]).to_pylist()}
    drawn = {pick.tgid: (box.name, START + 1000 * (box.start_us + box.span_us))
             for pick, box in zip(part.picks, part.shown.boxes, strict=True)}
    jobs = {tgid: box for tgid, box in drawn.items() if tgid not in (1, 310)}
    assert len(jobs) == 80
    assert {name for name, _ in jobs.values()} == {"sh", "grep", "sed", "cat", "ps"}
    assert all(abs(end - ended[tgid]) < 2 * MS for tgid, (_, end) in jobs.items())


def test_a_flame_graph_and_a_difference_have_the_samples_of_their_windows(looked: Investigation) -> None:
    (part,) = draw(looked, "flames")
    assert isinstance(part.shown, Flame)
    assert sum(frame.value for frame in part.shown.frames) == 30 * 49 + 70
    looked.compare_with(Window(START, START + 10 * S))
    looked.look(START + 20 * S, START + 30 * S)
    (part,) = draw(looked, "flames")
    assert part.shown.compared
    by_name = {frame.name: frame for frame in part.shown.frames}
    assert (by_name["compress"].before, by_name["compress"].value) == (0, 70)
    assert "difference" in part.heading


def test_the_box_of_a_process_stands_for_it_and_one_of_several_for_their_command(looked: Investigation) -> None:
    (part,) = draw(looked, "flames")
    outermost = {frame.name for frame in part.shown.frames if frame.kind == "thread"}
    assert {names for (names,) in part.boxes} == outermost
    (backup,) = (pick for pick in part.boxes.values() if pick.value == "backup")
    assert (backup.kind, backup.tgid, backup.node) == ("process", BACKUP["tgid"], "node-1")
    now = part.boxes
    looked.compare_with(Window(START, START + 10 * S))
    looked.look(START + 20 * S, START + 30 * S)
    (part,) = draw(looked, "flames")
    assert set(part.boxes.items()) <= set(now.items())
    looked.compare_with(None)
    looked.only(backup)
    (part,) = draw(looked, "flames")
    assert list(part.boxes.values()) == [backup]


def test_the_box_of_several_processes_stands_for_their_command(tmp_path: Path) -> None:
    rows = busy_node.more()["profile"].to_pylist()
    more = {"profile": pa.Table.from_pylist([row | {"tgid": row["tgid"] + at % 2} for at, row in enumerate(rows)])}
    looked = Investigation(synthetic.record(tmp_path / "r", jobs=5, more=busy_node.more() | more))
    (part,) = draw(looked, "flames")
    assert part.boxes["shop (2 processes)",] == Filter("command", "shop")
    looked.close()


def test_where_threads_waited_is_a_flame_graph_of_its_own_in_time(tmp_path: Path) -> None:
    wait = {**BACKUP, "node": "node-1", "tid": 7002, "comm": "backup", "state": "D", "blocked_ns": 500 * MS,
            "cut": False, "kernel_stack": [], "user_frames": ["aa+30", "aa+20"]}
    waits = pa.Table.from_pylist([{**wait, "ts_ns": START + second * S} for second in (8, 9, 25)])
    looked = Investigation(synthetic.record(tmp_path / "r", jobs=5, more=busy_node.more() | {"offcpu": waits}))
    looked.look(START, START + 10 * S)
    blocked = draw(looked, "flames")[1]
    assert blocked.heading == "Where threads waited"
    assert (blocked.shown.unit, sum(frame.value for frame in blocked.shown.frames)) == ("ns", 1000 * MS)
    looked.compare_with(looked.window)
    looked.look(START + 20 * S, START + 30 * S)
    blocked = draw(looked, "flames")[1]
    frame = next(frame for frame in blocked.shown.frames if frame.name == "compress")
    assert (frame.before, frame.value) == (1000 * MS, 500 * MS)
    looked.only(SHOPPING)  # which never waited
    assert "so there is nothing to compare" in str(draw(looked, "flames")[1].shown)
    looked.close()


def test_heat_maps_count_what_took_how_long(looked: Investigation) -> None:
    looked.look(START, START + 15 * S)
    parts = {part.heading: part for part in draw(looked, "latency")}
    connect = parts["To connect"].shown
    assert isinstance(connect, Figure)
    hover = [cell for row in connect.spec["data"][0]["text"] for cell in row if cell]
    assert hover == ["1 connections of 2.1 ms to 4.19 ms"] * 15
    looked.only(SHOPPING)
    parts = {part.heading: part for part in draw(looked, "latency")}
    assert "Waits for a CPU, the long ones" in text(list(parts.values()))  # the histogram does not tell whose they are


def test_the_overview_is_always_the_whole_and_veils_what_is_outside(looked: Investigation) -> None:
    assert "shapes" not in draw(looked, "overview")[0].shown.spec["layout"] or not any(
        shape["yref"] == "paper" for shape in draw(looked, "overview")[0].shown.spec["layout"]["shapes"])
    looked.look(START + 5 * S, START + 9 * S)
    spec = draw(looked, "overview")[0].shown.spec
    veils = [shape for shape in spec["layout"]["shapes"] if shape.get("yref") == "paper"]
    assert [(shape["x0"][11:19], shape["x1"][11:19]) for shape in veils] == [
        ("12:00:00", "12:00:05"), ("12:00:09", "12:00:30")]
    assert sum(sum(_numbers(trace["y"])) for trace in spec["data"] if trace["type"] == "bar") == 23  # lost, as planted


def test_the_overview_flags_findings_and_marks_what_is_compared_with(busy: Path) -> None:
    looked = Investigation(busy, sidecar=None)
    looked.look(START + 5 * S, START + 9 * S)
    looked.compare_with(looked.window)
    looked.mark("<b>why</b> now?")
    looked.whole()
    layout = draw(looked, "overview")[0].shown.spec["layout"]
    flag = layout["annotations"][-1]
    assert (flag["text"], flag["x"][11:], flag["hovertext"]) == (
        "<b>⚑ 1</b>", "12:00:07.000", "&lt;b&gt;why&lt;/b&gt; now?")
    (band,) = [shape for shape in layout["shapes"] if shape.get("yref") == "paper"]
    assert (band["x0"][11:19], band["x1"][11:19]) == ("12:00:05", "12:00:09")
    looked.close()


def _numbers(array: dict[str, str]) -> list[float]:
    return np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"]).tolist()


def test_a_click_on_an_alarm_is_the_time_it_was_on() -> None:
    looked = Investigation("recordings/short_lived_jobs", sidecar=None)
    (part,) = draw(looked, "overview")
    assert any("being judged" in note["text"] for note in part.shown.spec["layout"]["annotations"])
    assert looked.verdicts()[0].state == "fired"
    (part,) = draw(looked, "overview")
    span = part.picks[0]
    assert isinstance(span, Window)
    assert looked.everything.start_ns <= span.start_ns < span.end_ns <= looked.everything.end_ns
    looked.close()


def test_no_hostile_name_is_markup_in_any_panel(tmp_path: Path) -> None:
    looked = Investigation(busy_node.record(tmp_path / "evil", hostile=True), sidecar=None)
    for name in all_panels():
        for part in draw(looked, name):
            if isinstance(part.shown, Figure):
                shown = json.dumps([part.shown.spec["data"], part.shown.spec["layout"]], ensure_ascii=False)
            else:
                shown = part.shown.html()
            for evil in ("<script>alert", "<a href=x>", "\x1b[31m", "\u202e"):
                assert evil not in shown, name
        if name in ("files", "errors", "connections"):
            assert html_text(visible(HOSTILE[1 if name == "files" else 0])) in shown
    looked.close()


def test_what_was_lost_or_not_watched_in_the_window_is_said(looked: Investigation) -> None:
    assert "Lost in this window: 23 events of `exec`" in text(draw(looked, "unknown"))
    looked.look(START + 1, START + 2)
    assert text(draw(looked, "unknown")) == "Nothing was lost in this window, and all of it was watched."


@pytest.mark.parametrize(("recording", "panel", "said"), [
    ("cpu_throttling_bursts", "errors", "Of failed calls only what is in `exec_failed` was recorded"),
    ("ssh_brute_force", "peers", "Of peers only what is in `auth` was recorded"),
])
def test_where_nobody_looked_no_panel_says_that_nothing_happened(recording: str, panel: str, said: str) -> None:
    looked = Investigation(f"recordings/{recording}", sidecar=None)
    assert said in text(draw(looked, panel))
    looked.close()


def test_a_column_says_what_it_means_when_its_title_is_pointed_at(looked: Investigation) -> None:
    (part,) = draw(looked, "peers")
    assert '<th class=santa-num scope=col title="Those that did not end in order' in part.shown.html()


def test_an_alarm_that_was_still_on_is_not_said_to_have_ended_after_the_recording() -> None:
    looked = Investigation("recordings/ssh_brute_force", sidecar=None)
    assert "Began at 19:42:02 UTC, still on when the recording ended (10 s)." in text(draw(looked, "verdicts"))
    looked.look(looked.everything.end_ns - 2 * S, looked.everything.end_ns)
    assert "UTC, 2 s of the 10 s that it was on." in text(draw(looked, "verdicts"))
    looked.close()


def test_verdicts_follow_the_window_and_keep_their_words() -> None:
    looked = Investigation("recordings/reverse_shell", sidecar=None)
    start, _ = looked.everything
    (whole,) = draw(looked, "verdicts")
    assert "in this window" not in str(whole.shown)
    said = next(block.sentence for block in whole.shown.blocks if isinstance(block, Badge))
    looked.look(start, start + 2 * S)  # before it began
    (part,) = draw(looked, "verdicts")
    lead, folded = part.shown.blocks[:2]
    assert "No alarm was on in this window; what fired at another time is folded below." in lead.sentence
    assert "fired, but not in this window. Began at 19:36:46 UTC" in folded.sentence
    assert said in folded.blocks[0].sentence
    looked.look(start + 6 * S, start + 9 * S)
    (part,) = draw(looked, "verdicts")
    lead, badge, _, _, on = part.shown.blocks[:5]
    assert "judged over the whole recording" in lead.sentence
    assert badge.sentence == said
    assert on.sentences == ["A shell takes its orders from the network · 127.0.0.1:4444 (crit): from 19:36:49 to "
                            "19:36:52 UTC, 3 s of the 10 s that it was on."]
    looked.close()


def test_a_window_of_a_recording_in_which_nothing_fired_says_so() -> None:
    looked = Investigation("recordings/quiet_idle", sidecar=None)
    looked.look(looked.everything.start_ns, looked.everything.start_ns + S)
    assert "No alarm was on in this window, nor at any other time." in text(draw(looked, "verdicts"))
    looked.close()


def test_rows_of_evidence_that_a_filter_names_come_first() -> None:
    looked = Investigation("recordings/reverse_shell", sidecar=None)
    looked.only(Filter("command", "report-app"))
    (part,) = draw(looked, "verdicts")
    assert "1 of 3 rows is of command report-app: the first one." in str(part.shown)
    assert "in this window" not in str(part.shown)
    looked.close()


def test_where_no_alarm_was_raised_the_overview_shows_the_signals_that_came_nearest() -> None:
    looked = Investigation("recordings/cpu_usage_quiet_one_core", sidecar=None)
    assert {verdict.state for verdict in looked.verdicts()} == {"quiet"}
    (part,) = draw(looked, "overview")
    titles = [note["text"] for note in part.shown.spec["layout"]["annotations"][1:3]]
    assert any(title.startswith("<b>busy</b>") for title in titles), titles
    looked.close()


def test_a_missing_table_is_a_sentence_that_says_how_to_record_it() -> None:
    looked = Investigation("recordings/disk_full_quiet_fits", sidecar=None)
    for name in ("peers", "connections", "flames"):
        assert "Nothing is known of" in text(draw(looked, name))
        assert "santabpf record NODE --probe " in text(draw(looked, name))
    looked.close()


def test_a_window_without_events_is_a_sentence_in_every_panel_of_what_was_in_it(looked: Investigation) -> None:
    looked.look(START + 1, START + 2)
    for name, panel in all_panels().items():
        if panel.group not in ("overview", "verdicts"):  # those are of the whole recording
            for part in draw(looked, name):
                assert isinstance(part.shown, Words), name
                assert "in this window" in str(part.shown), name
                assert not part.picks, name


@pytest.mark.parametrize("probes", [(), tuple(all_probes())], ids=["no table", "every table"])
def test_an_empty_recording_is_a_sentence_in_every_panel(tmp_path: Path, probes: tuple[str, ...]) -> None:
    looked = Investigation(synthetic.nothing_happened(tmp_path / "empty", probes))
    assert looked.recording["exec"].rows == 0 if probes else "exec" not in looked.recording.tables
    for name in all_panels():
        parts = draw(looked, name)
        assert parts, name
        for part in parts:
            assert isinstance(part.shown, Words), name
            assert str(part.shown), name
            assert not part.picks, name
    finding = looked.mark("nothing at all")
    looked.close()
    again = Investigation(tmp_path / "empty")
    assert (again.notice, again.findings) == ("", (finding,))
    again.close()


def test_a_part_that_is_broken_is_a_sentence(busy: Path, tmp_path: Path) -> None:
    shutil.copytree(busy, tmp_path / "cut")
    victim = next((tmp_path / "cut" / "tcp").rglob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-7])
    looked = Investigation(tmp_path / "cut", sidecar=None)
    assert "part-" in text(draw(looked, "peers"))
    assert table(draw(looked, "files"))
    looked.close()


def test_a_panel_that_is_not_there_is_bad_usage(looked: Investigation) -> None:
    with pytest.raises(BadUsage, match="did you mean 'files'"):
        looked.panel("filez")


def test_columns_of_a_picture_are_never_too_many() -> None:
    for span in (1, MS, S, 59 * S, 3600 * S, 40 * 86_400 * S):
        step = step_ns(span, 200)
        assert step >= S
        assert span <= 200 * step


def test_more_processes_than_can_be_drawn_leave_those_that_took_most(tmp_path: Path) -> None:
    rows = [{"ts_ns": START + S + n * 1000, "start_ns": START, "tgid": 10_000 + n, "pstart_ns": 10 * MS, "ptgid": 1,
             "node": "node-1", "lifetime_ns": MS, "cpu_ns": n, "code": 0, "signal": 0, "comm": f"job{n}"}
            for n in range(5000)]
    made = synthetic.record(tmp_path / "many", jobs=0, more={"exit": pa.Table.from_pylist(rows)})
    looked = Investigation(made, sidecar=None)
    (part,) = draw(looked, "tree")
    drawn = {pick.tgid for pick in part.picks}
    assert 14_999 in drawn
    assert 10_000 not in drawn
    looked.close()
