"""The process tree over time: who is drawn, where, and what is said of those who are not."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from synthetic import HOSTILE, ROUNDS, START, WINDOW, S, tables

from santabpf.charts import process_tree
from santabpf.charts.signals import Span
from santabpf.display import Lanes


def read(**options: object) -> process_tree.Info:
    t = tables(jobs=50)
    return process_tree.info(t["fork"], t["exec"], t["exit"], t["processes"], window=WINDOW, **options)  # type: ignore[arg-type]


def test_each_process_that_started_is_one_box_and_still_ones_are_counted() -> None:
    info = read()
    started = [p for p in info.processes if not p.born_before]
    assert len(started) == 1 + 3 * ROUNDS + 50
    assert sorted(p.command for p in info.processes if p.born_before) == ["apache2", "cron", "systemd"]
    assert info.note == "40 processes that neither started, ended nor started others are not drawn."
    one = {"processes": tables(jobs=50)["processes"].slice(39, 1)}
    assert process_tree.info(None, None, tables(jobs=50)["exit"], **one, window=WINDOW).note == (
        "1 process that neither started, ended nor started another is not drawn.")


def test_a_child_stands_below_its_parent_and_within_no_other_box() -> None:
    info = read()
    for process in info.processes:
        if process.parent >= 0:
            assert process.row > info.processes[process.parent].row
    for row in range(info.rows):
        boxes = sorted((p.start_ns, p.end_ns) for p in info.processes if p.row == row)
        assert boxes, "no row is empty"
        assert all(a[1] <= b[0] for a, b in pairwise(boxes))


def test_a_box_tells_command_line_cpu_and_how_it_ended() -> None:
    failed = [p for p in read().processes if p.command == "bzip2" and p.status == "exit 1"]
    assert len(failed) == ROUNDS // 6
    assert failed[0].cpu_ns == 620_000_000
    shell = next(p for p in read().processes if p.command == "bash")
    assert shell.argv == "bash -c dd if=/dev/urandom | bzip2 > /dev/null"


def test_parents_are_those_who_forked() -> None:
    info = read()
    bzip2 = next(p for p in info.processes if p.command == "bzip2")
    line = [bzip2.command]
    at = bzip2
    while at.parent >= 0:
        at = info.processes[at.parent]
        line.append(at.command)
    assert line == ["bzip2", "bash", "backup.sh", "cron", "systemd"]


def test_without_fork_the_parent_at_exec_is_taken() -> None:
    t = tables(jobs=0)
    info = process_tree.info(None, t["exec"], t["exit"], t["processes"], window=WINDOW)
    dd = next(p for p in info.processes if p.command == "dd")
    assert info.processes[dd.parent].command == "bash"


def test_an_exit_alone_gives_a_box_as_long_as_its_lifetime() -> None:
    info = process_tree.info(exit_=tables(jobs=0)["exit"], window=WINDOW)
    dd = next(p for p in info.processes if p.command == "dd")
    assert dd.end_ns - dd.start_ns == 850_000_000
    assert not dd.lives_on


def test_a_process_that_ends_after_the_recording_lives_on_to_its_edge() -> None:
    t = tables(jobs=0)
    info = process_tree.info(t["fork"], t["exec"], t["exit"].slice(0, 0), t["processes"], window=WINDOW)
    assert all(p.lives_on and p.end_ns == WINDOW[1] and p.cpu_ns is None for p in info.processes)


@pytest.mark.parametrize("jobs", [300, 3000])  # below and above where rows are left out before they are read
def test_of_too_many_those_with_the_most_cpu_are_kept_and_the_rest_is_counted(jobs: int) -> None:
    t = tables(jobs=jobs)
    info = process_tree.info(t["fork"], t["exec"], t["exit"], t["processes"], window=WINDOW, most=120)
    assert len(info.processes) <= 120
    assert {p.command for p in info.processes} >= {"bzip2", "dd", "bash", "backup.sh", "cron", "systemd"}
    all_of_them = jobs + 1 + 3 * ROUNDS + 3
    drawn, whole = info.note.split(" processes are drawn")[0].replace(" ", "").split("of")
    assert int(drawn) == len(info.processes)
    assert int(whole) == pytest.approx(all_of_them, abs=1)  # apache2 may have lost all its children


def test_nothing_recorded_gives_a_note() -> None:
    for info in (process_tree.info(), process_tree.info(*(t.slice(0, 0) for t in (tables(jobs=0)[n] for n in
                                                        ("fork", "exec", "exit", "processes"))))):
        assert info.processes == ()
        assert "No process" in info.note
        assert "No process" in process_tree.lanes(info).html()


def test_where_ends_were_not_recorded_no_box_pretends_to_live_on() -> None:
    t = tables(jobs=0)
    info = process_tree.info(t["fork"], t["exec"], None, t["processes"], window=WINDOW)
    assert info.note.startswith("Ends were not recorded")
    facts = process_tree.lanes(info).payload()["f"]
    assert facts[-1].endswith("end not recorded")
    assert not any("longer" in fact for fact in facts)


def test_two_nodes_with_the_same_process_ids_are_two_trees() -> None:
    t = tables(jobs=0)
    both = {name: pa.concat_tables([table, table.set_column(
        table.column_names.index("node"), "node", pa.array(["node-2"] * table.num_rows))])
        for name, table in t.items() if name in ("fork", "exec", "exit", "processes")}
    one = process_tree.info(t["fork"], t["exec"], t["exit"], t["processes"], window=WINDOW)
    two = process_tree.info(both["fork"], both["exec"], both["exit"], both["processes"], window=WINDOW)
    assert len(two.processes) == 2 * len(one.processes)
    assert two.rows == 2 * one.rows


def test_many_children_share_rows_where_they_do_not_overlap() -> None:
    rows, height = process_tree.layout([-1, 0, 0, 0, 3], [0, 0, 10, 20, 25], [100, 10, 20, 40, 30])
    assert rows == [0, 1, 1, 2, 3]
    assert height == 4


def test_the_lanes_hold_each_box_and_the_spans() -> None:
    lanes = process_tree.lanes(read(spans=[Span(START + S, None, "crit")]))
    assert isinstance(lanes, Lanes)
    payload = lanes.payload()
    assert len(payload["s"]) == len(payload["f"]) == 1 + 3 * ROUNDS + 50 + 3
    assert payload["spans"] == [[1_000_000, 30_000_000, "crit"]]
    assert payload["span_us"] == 30_000_000
    assert len(payload["bad"]) == ROUNDS // 6 + 2  # two of fifty were killed


def test_hostile_names_reach_the_canvas_as_visible_text() -> None:
    t = tables(jobs=60, hostile=True)
    lanes = process_tree.lanes(process_tree.info(t["fork"], t["exec"], t["exit"], t["processes"], window=WINDOW))
    names = lanes.payload()["names"]
    assert "new\\nline" in names
    assert "\\x1b[31mred" in names
    assert "<script>alert(1)" not in lanes.html()
    assert not any(text in lanes.still() for text in HOSTILE)
