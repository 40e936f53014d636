"""The state of an alarm, second by second."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from santabpf.replay.alarms import Machine
from santabpf.replay.words import format_value
from santabpf.scenarios import Alarm, Threshold
from santabpf.units import SECOND


def alarm(**changed: object) -> Alarm:
    rule: dict[str, object] = {
        "name": "a",
        "title": "A",
        "signal": "s",
        "lookup": "avg",
        "over_s": 1,
        "warn": Threshold(">", 10),
        "crit": Threshold(">", 20),
        "clear": None,
        "for_s": 0,
    }
    return Alarm(**(rule | changed))  # type: ignore[arg-type]


def course(machine: Machine, values: Sequence[float | str | None]) -> str:
    """Feed seconds ('?' was not watched); the levels after each, by their first letter, '.' for clear."""
    out = ""
    for at, value in enumerate(values):
        watched = value != "?"
        machine.step(at * SECOND, watched, value if watched else None)  # type: ignore[arg-type]
        out += {"clear": ".", "warn": "w", "crit": "c"}[machine.level]
    return out


def test_it_goes_up_and_down_with_the_signal() -> None:
    assert course(Machine(alarm()), [0, 11, 21, 11, 10, 30, 0]) == ".wcw.c."


def test_with_clear_it_stays_on_until_that_is_met() -> None:
    machine = Machine(alarm(clear=Threshold("<", 5)))
    assert course(machine, [11, 9, 6, 21, 6, 4, 6, 11]) == "wwwcw..w"
    assert [(i.onset_ns, i.to_ns) for i in machine.incidents] == [(0, 5 * SECOND), (7 * SECOND, None)]


def test_for_asks_for_seconds_in_a_row() -> None:
    machine = Machine(alarm(for_s=3))
    assert course(machine, [11, 11, 9, 11, 11, 11, 25, 25, 25, 9]) == ".....wwwc."
    (incident,) = machine.incidents
    assert (incident.onset_ns, incident.raised_ns, incident.state) == (3 * SECOND, 6 * SECOND, "crit")


def test_an_alarm_without_warn_goes_straight_to_crit_and_stays_there() -> None:
    machine = Machine(alarm(warn=None, clear=Threshold("<", 5)))
    assert course(machine, [15, 21, 15, 4]) == ".cc."


def test_an_alarm_can_watch_for_too_little() -> None:
    machine = Machine(alarm(warn=Threshold("<", 5), crit=Threshold("<", 1)))
    assert course(machine, [9, 4, 0, 4, 9]) == ".wcw."
    assert machine.incidents[0].peak == 0


@pytest.mark.parametrize(
    ("lookup", "expected"),
    [("avg", "..ww"), ("sum", ".wcc"), ("max", "..cc"), ("min", "...."), ("count", "....")],
)
def test_lookups_look_at_the_last_seconds(lookup: str, expected: str) -> None:
    machine = Machine(alarm(lookup=lookup, over_s=3), never_negative=True)
    assert course(machine, [5, 6, 21, 7]) == expected


def test_count_counts_seconds_with_any() -> None:
    machine = Machine(alarm(lookup="count", over_s=3, warn=Threshold(">=", 2), crit=None))
    assert course(machine, [0, 1, 1, 0, 0, None]) == "..ww.."


def test_a_second_that_was_not_watched_changes_nothing() -> None:
    assert course(Machine(alarm()), [11, "?", "?", 11, 0]) == "wwww."
    assert course(Machine(alarm(over_s=2)), [0, 50, "?", 0, 0]) == ".ccc."


def test_where_nothing_is_below_zero_what_was_watched_can_be_enough() -> None:
    assert course(Machine(alarm(over_s=4), never_negative=True), ["?", 30, 30, "?", 0]) == "..www"
    assert course(Machine(alarm(over_s=4), never_negative=True), [50]) == "w"
    assert course(Machine(alarm(over_s=4)), [50, 50, 50]) == "..."


def test_a_watched_second_without_a_value_is_left_out() -> None:
    assert course(Machine(alarm(over_s=3)), [None, None, 15, None]) == "..ww"
    assert course(Machine(alarm(over_s=2)), [15, 15, None, None]) == ".www"


def test_the_worst_lookup_is_remembered_with_its_second() -> None:
    machine = Machine(alarm())
    course(machine, [1, 9, 3])
    assert machine.extreme == (9, SECOND)
    assert machine.incidents == []


@given(
    st.lists(st.one_of(st.none(), st.just("?"), st.integers(0, 30)), max_size=40),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from(["avg", "max", "min", "sum", "count"]),
    st.booleans(),
)
def test_levels_and_incidents_always_agree(
    values: list[float | str | None], over: int, for_s: int, lookup: str, bounded: bool
) -> None:
    machine = Machine(alarm(over_s=over, for_s=for_s, lookup=lookup, clear=Threshold("<", 5)), bounded)
    levels = course(machine, values)
    on = [at for at, level in enumerate(levels) if level != "."]
    spans = [
        (i.raised_ns // SECOND - 1, (i.to_ns // SECOND) if i.to_ns is not None else len(values))
        for i in machine.incidents
    ]
    assert on == [at for start, end in spans for at in range(start, end)]
    assert all(i.onset_ns < i.raised_ns for i in machine.incidents)


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [(2838.67, "count", "2 839"), (999.4, "count", "999"), (6.178, "count", "6.18"), (7.0, "count", "7")],
)
def test_a_number_is_told_as_people_write_it(value: float, unit: str, told: str) -> None:
    assert format_value(value, unit) == told
