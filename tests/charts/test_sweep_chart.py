"""Settings of an alarm as dots: where each stands, and what is marked."""

from __future__ import annotations

from santabpf.charts.sweep import figure, info

S = 1_000_000_000
SETTINGS = [
    ("> 1 over 3 s", 0, 4, 1 * S, ""), ("> 2 over 3 s", 0, 1, 2 * S, "today"), ("> 3 over 3 s", 0, 0, 3 * S, "knee"),
    ("> 4 over 3 s", 0, 0, 3 * S, ""), ("> 9 over 3 s", 2, 0, 5 * S, ""), ("> 99 over 3 s", 3, 0, None, ""),
]  # fmt: skip


def test_delay_stands_against_false_alarms_and_what_misses_a_fault_is_red() -> None:
    told = info(SETTINGS, faults=3, others=9)
    assert (told.silent, len(told.points)) == (1, 4)
    drawn = {trace["name"]: trace for trace in figure(told).to_dict()["data"]}
    dots = {name: list(zip(trace["x"], trace["y"], strict=True)) for name, trace in drawn.items()}
    assert dots == {
        "misses a fault": [(5, 0)], "finds every fault": [(1, 4), (2, 1), (3, 0)], "today's setting": [(2, 1)],
        "the knee": [(3, 0)],
    }  # fmt: skip
    assert drawn["misses a fault"]["marker"]["color"] != drawn["finds every fault"]["marker"]["color"]
    assert [count for _, _, count in drawn["finds every fault"]["customdata"]] == [1, 1, 2]


def test_without_an_alarm_it_says_so() -> None:
    silent = info([("> 99 over 3 s", 3, 0, None, "today knee")], faults=3, others=9)
    assert "No setting raised the alarm" in str(figure(silent))
