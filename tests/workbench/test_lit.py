"""Which rows of evidence a view is about, and how a table says so."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic import START, S

from santabpf.display import Words
from santabpf.postmortem.evidence import Lit, shown
from santabpf.verdict import Evidence
from santabpf.workbench import Filter, Window
from santabpf.workbench.lit import lit
from santabpf.workbench.view import View

WHOLE = Window(START, START + 30 * S)
EARLY, LATE = Window(START, START + 10 * S), Window(START + 20 * S, START + 30 * S)
DD = Filter("process", "dd", "node-1", 7, 70)


def evidence(columns: str, *rows: tuple[Any, ...], count: int = 0) -> Evidence:
    return Evidence("calls", "Calls", "SELECT 1", {}, tuple(columns.split()), rows, count or len(rows))


def places(found: Evidence, view: View, node: str = "node-1") -> tuple[list[int], str] | None:
    seen = lit(found, view, WHOLE, node)
    return None if seen is None else (list(seen.rows), seen.why)


@pytest.mark.parametrize(("columns", "first", "second"), [
    ("ts_ns", (START + 5 * S,), (START + 25 * S,)),
    ("second", (START + 9 * S,), (START + 20 * S,)),
    ("first_ns last_ns", (START + 5 * S, START + 12 * S), (START + 15 * S, START + 25 * S)),
    ("peak_ns took_ns", (START + 5 * S, S), (START + 25 * S, S)),
])
def test_a_row_is_in_the_window_where_its_moments_are(
    columns: str, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    found = evidence(columns, first, second)
    assert places(found, View(EARLY)) == ([0], "in this window")
    assert places(found, View(LATE)) == ([1], "in this window")
    assert places(found, View(WHOLE)) is None


def test_a_second_lies_in_a_window_that_begins_within_it() -> None:
    found = evidence("second", (START + 4 * S,))
    assert places(found, View(Window(START + 4 * S + S // 2, START + 6 * S))) == ([0], "in this window")
    assert places(found, View(Window(START + 5 * S, START + 6 * S))) == ([], "in this window")


def test_rows_that_tell_no_moment_are_of_no_window() -> None:
    assert places(evidence("comm took_ns", ("dd", S)), View(EARLY)) is None
    assert places(evidence("ts_ns"), View(EARLY)) is None


@pytest.mark.parametrize(("columns", "row", "a_filter", "why"), [
    ("tgid start_ns", (7, 70), DD, "of process dd (pid 7)"),
    ("tgid", (7,), DD, "of process dd (pid 7)"),
    ("comm", ("dd",), DD, "of command dd"),
    ("comm", ("dd",), Filter("command", "dd"), "of command dd"),
    ("path", ("/srv/orders.db",), Filter("file", "orders.db"), "of file orders.db"),
    ("remote_ip", ("10.0.0.7",), Filter("peer", "10.0.0.7"), "of peer 10.0.0.7"),
])
def test_a_row_is_of_what_a_filter_names_by_its_own_columns(
    columns: str, row: tuple[Any, ...], a_filter: Filter, why: str
) -> None:
    other = tuple("other" if isinstance(cell, str) else cell + 1 for cell in row)
    assert places(evidence(columns, other, row), View(WHOLE, (a_filter,))) == ([1], why)
    assert places(evidence("times", (3,)), View(WHOLE, (a_filter,))) is None


def test_a_process_of_another_node_is_another_one() -> None:
    assert places(evidence("tgid", (7,)), View(WHOLE, (DD,)), node="node-2") == ([], "of process dd (pid 7)")


def test_window_and_filters_hold_together() -> None:
    found = evidence("ts_ns comm", (START + 1, "sh"), (START + 25 * S, "dd"), (START + 2, "dd"))
    assert places(found, View(EARLY, (DD,))) == ([2], "in this window and of command dd")


def test_lit_rows_come_first_and_the_others_are_dimmed() -> None:
    words = Words(*shown(evidence("tgid", (1,), (2,), (3,), count=40), Lit([2], "in this window")))
    assert words.blocks[0].rows == [["3"], ["1"], ["2"]]
    assert "The first 3 of 40 rows. 1 of these 3 rows is in this window: the first one." in str(words)
    assert words.html().count("<tr class=santa-dim>") == 2
    assert "0 of 1 row are in this window." in str(Words(*shown(evidence("tgid", (1,)), Lit([], "in this window"))))
    assert "santa-dim" not in Words(*shown(evidence("tgid", (1,)))).html()
