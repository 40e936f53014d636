"""Several recordings on one time axis: what happened at one moment stands there once, with the error of each."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import synthetic

import santabpf as sb
from santabpf import postmortem
from santabpf.errors import BadUsage
from santabpf.postmortem.clocks import Clock, clock_of
from santabpf.recording import Recording

S, MS, START = synthetic.S, synthetic.MS, synthetic.START
MOMENT = START + 12 * S + 345 * MS  # when both nodes lost a frame, by Santa's clock


def recorded(
    folder: Path, name: str, ahead_ns: int, readings: list[tuple[int, int | None]], slew_ns: int = 0
) -> Recording:
    """A recording whose node's clock is so far ahead of Santa's. readings: (offset, error), one a second.

    slew_ns: how far the node's clock was set forward by its own time service after the first second; ts_ns keep the
    first setting, while readings against Santa use the new one.
    """
    rows = [(START, "node", 7, 60)]
    for second, (offset, error) in enumerate(readings, 1):
        rows += [(START + second * S, "node", 7 + slew_ns, 60), (START + second * S, "santa", offset, error)]
    clock = pa.table({"ts_ns": [r[0] for r in rows], "against": [r[1] for r in rows], "offset_ns": [r[2] for r in rows],
                      "error_ns": [r[3] for r in rows], "epoch": [0] * len(rows)})
    gaps = pa.table({"ts_ns": [MOMENT + ahead_ns], "end_ns": [MOMENT + ahead_ns + S], "table": ["exec"],
                     "reason": ["bad_frame"], "detail": [""]})
    return sb.open(synthetic.record(folder / name, jobs=0, more={"clock": clock, "gaps": gaps}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("incident")


@pytest.fixture(scope="module")
def incident(folder: Path) -> postmortem.Incident:
    ahead = recorded(folder, "ahead", 2_500 * MS, [(2_502 * MS, 9 * MS), (2_500 * MS, MS), (2_499 * MS, 3 * MS)])
    behind = recorded(folder, "behind", -400 * MS, [(-400 * MS, 2 * MS)])
    unknown = recorded(folder, "<b>unknown", 0, [(5 * MS, None)])
    return postmortem.Incident([ahead, str(behind.path), unknown], ["short_lived_jobs"])


def test_the_shortest_round_trip_counts_and_contradictions_are_part_of_the_error(folder: Path) -> None:
    assert clock_of(recorded(folder, "a", 0, [(50, 10), (20, 5), (24, 100)]), "node-1") == Clock(20, 5 + 20)
    assert clock_of(recorded(folder, "b", 0, [(50, 10), (45, 5)]), "node-1") == Clock(45, 5)
    assert clock_of(recorded(folder, "c", 0, [(1_045, 5)], slew_ns=1_000), "node-1") == Clock(45, 5)
    assert clock_of(recorded(folder, "d", 0, []), "node-1") == Clock(0, None)
    assert clock_of(recorded(folder, "e", 0, [(45, None)]), "node-1") == Clock(0, None)


def test_what_happened_at_one_moment_stands_at_one_moment(incident: postmortem.Incident) -> None:
    lines = [line.split("  ") for line in str(postmortem.aligned_timeline(incident)).splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    at = {row[2]: row[:2] for row in rows if row[-1].startswith("Nothing is known of exec")}
    assert at["ahead"] == ["12:00:12.345", "1 ms"]
    assert at["behind"] == ["12:00:12.345", "2 ms"]
    assert at["<b>unknown"] == ["12:00:12.345", "not known"]
    assert [row[0] for row in rows[1:]] == sorted(row[0] for row in rows[1:])


def test_the_signals_are_moved_as_well(incident: postmortem.Incident) -> None:
    figure = postmortem.aligned_signals(incident)
    first = {trace["name"]: trace["x"][0] for trace in figure.spec["data"]}
    starts = {name.split(" · ")[0]: x for name, x in first.items()}
    assert starts["ahead"][:23] == "2026-05-01T11:59:57.500"
    assert starts["behind"][:23] == "2026-05-01T12:00:00.400"


def test_the_clocks_are_told_and_what_is_not_known_of_them(incident: postmortem.Incident) -> None:
    told = str(postmortem.clocks(incident))
    assert "+2.5 s" in told
    assert "-400 ms" in told
    assert "Nothing is known of the clock of <b>unknown" in told
    assert "<b>unknown" not in postmortem.clocks(incident).html()


def test_each_section_comes_once_for_each_recording(incident: postmortem.Incident) -> None:
    for section in (postmortem.cause, postmortem.receipt, postmortem.impact):
        page = incident.each(section).html()
        at = [page.index(f"<h3>{name}</h3>") for name in ("ahead", "behind", "&lt;b&gt;unknown")]
        assert len(set(at)) == 3
    overview = str(postmortem.overview(incident))
    assert overview.count("node-1") >= 3
    assert "2026-05-01 12:00:00" in overview


def test_two_of_the_same_name_are_told_apart_and_a_hole_between_two_is_said() -> None:
    room = Path(__file__).parents[2] / "recordings"
    both = postmortem.Incident([room / "accept_queue", room / "cpu_throttling"], ["cpu_usage"])
    assert [rec.name for rec, _, _ in both.parts] == ["accept_queue", "cpu_throttling"]
    assert "of which nothing is known" in str(postmortem.overview(both))
    same = postmortem.Incident([room / "accept_queue", room / "accept_queue"], ["cpu_usage"])
    assert same.name(same.parts[0][0]) == "recordings/accept_queue"


def test_recordings_that_are_far_apart_are_drawn_beside_each_other() -> None:
    room = Path(__file__).parents[2] / "recordings"
    both = postmortem.Incident([room / "short_lived_jobs", room / "slow_dns"])
    drawn = postmortem.aligned_signals(both).spec["layout"]
    assert len(drawn["xaxis"]["rangebreaks"]) == 1
    assert "42 min not recorded" in [words["text"] for words in drawn["annotations"]]


@pytest.mark.parametrize("nothing", [[], "recordings/accept_queue"])
def test_an_incident_needs_a_list_of_recordings(nothing: list[str] | str) -> None:
    with pytest.raises(BadUsage, match="as a list"):
        postmortem.Incident(nothing)
