"""Figures, their goals, and the tables they become."""

from __future__ import annotations

import pytest

from santabpf.bench.figures import Family, Figure, Goal, Spread, number, to_markdown, to_text


def test_a_goal_is_judged_by_the_median() -> None:
    spread = Spread.of([5.0, 1.0, 2.0])
    assert spread == (2.0, 1.0, 5.0, 3)
    assert Figure("x", "s", spread, Goal(2.0)).state == "met"
    assert Figure("x", "s", spread, Goal(1.9)).state == "missed"
    assert Figure("x", "s", spread, Goal(2.1, at_least=True)).state == "missed"
    assert Figure("x", "s", spread, Goal(2.0, at_least=True)).state == "met"


def test_a_missed_goal_is_shown_as_missed_beside_the_goal() -> None:
    row = Figure("report", "s", Spread.of([7.5]), Goal(6.0)).row()
    assert row == ["report", "7.5 s", "", "≤ 6 s", "**missed**", ""]


def test_what_was_not_taken_says_why_and_is_never_met() -> None:
    figure = Figure("CPU", "ns", None, Goal(1.0), "needs root")
    assert figure.state == "not taken"
    assert figure.row() == ["CPU", "-", "", "≤ 1 ns", "not taken", "needs root"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (23.456, "23.5"), (456.7, "457"), (4567.8, "4,568"), (3_210_000, "3.21 M"), (0.0, "0")],
)
def test_a_number_has_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_the_page_holds_each_family_and_its_own_tables() -> None:
    family = Family("Speed", "In words.", [Figure("a|b", "s", Spread.of([1.0, 2.0]))], [(["x", "y"], [["1", "2"]])])
    page = to_markdown([family], "machine, 2 CPUs", "2026-05-01")
    assert "- machine: machine, 2 CPUs\n- date: 2026-05-01\n" in page
    assert "## Speed\n\nIn words.\n\n| x | y |\n|---|---|\n| 1 | 2 |\n" in page
    assert "| a\\|b | 1.5 s | 1 … 2 |  |  |  |" in page


def test_a_terminal_gets_columns_and_no_markdown() -> None:
    text = to_text(Family("Speed", figures=[Figure("a", "s", Spread.of([3.0]), Goal(1.0))]))
    assert "missed" in text
    assert "*" not in text
    assert "|" not in text
