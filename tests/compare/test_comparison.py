"""Two moments compared: what was planted is found and named, what was not is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planted_moments import COMMANDS, MS, PROBES, START, Rows, S, by_chance, moment, usual
from synthetic import HOSTILE

import santabpf as sb
from santabpf.compare import Change, Comparison, compare
from santabpf.errors import BadUsage, MissingTable


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moment(tmp_path_factory.mktemp("quiet") / "monday", 40, usual(1, 40), PROBES)


def against(quiet: Path, folder: Path, rows: Rows, seconds: int = 12, **options: Any) -> Comparison:
    return compare(moment(folder / "friday", seconds, rows, PROBES), quiet, **options)


def test_two_quiet_moments_are_alike(quiet: Path, tmp_path: Path) -> None:
    found = against(quiet, tmp_path, usual(2, 12))
    assert found.beyond == ()
    assert "alike" in found.headline
    assert len(found.changes) > 40
    assert found.quiet
    assert 3 <= found.bar < 5


@pytest.fixture(scope="module")
def planted(quiet: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Six changes in one incident: see the tests below."""
    rows = usual(2, 12)
    rows["exec"] = [row for row in rows["exec"] if row["comm"] != COMMANDS[-1]]
    rows["exec"] += by_chance(99, 12, 23, {"comm": "cryptominer", "uid": 33, "filename": "/tmp/m"})
    rows["exec"] += by_chance(5, 12, 20, {"comm": lambda rng: f"worker/{rng.randrange(500)}"})
    rows["exec"] += [{"ts_ns": START + 3 * S, "comm": "once"}, {"ts_ns": START + 5 * S, "comm": "twice"}] * 2
    for row in rows["dns"]:
        row["waited_ns"] *= 40 if row["comm"] == COMMANDS[2] else 1
    for row in rows["file_io"]:
        row["data_bytes"] *= 9 if row["tgid"] == 103 else 1
    return against(quiet, tmp_path_factory.mktemp("planted"), rows)


def of(found: Comparison, label: str, measure: str = "rows") -> Change:
    """What changed by more than noise in this measure under this label."""
    return next(c for c in found.beyond if (c.label, c.measure.name) == (label, measure))


def test_what_was_planted_is_found_and_named(planted: Comparison) -> None:
    miner = of(planted, "cryptominer")
    assert (miner.table, miner.dimension, miner.good) == ("exec", "comm", 0)
    assert miner.incident == pytest.approx(23, rel=0.2)
    assert set(miner.also) == {"uid 33", "filename /tmp/m"}
    assert miner.score > 8
    unchanged = {COMMANDS[0], COMMANDS[1], COMMANDS[4]}
    assert not [c for c in planted.beyond if c.label in unchanged]


def test_what_stopped_is_found_too(planted: Comparison) -> None:
    gone = of(planted, COMMANDS[-1])
    assert (gone.table, gone.incident) == ("exec", 0)
    assert gone.score < -5


def test_it_is_told_in_words_with_the_table_after_them(planted: Comparison) -> None:
    first, *_ = planted.headline.split(" In all, ")
    said = "What changed most: reads, writes and syncs of files, how much they read or wrote, of command "
    assert first.startswith(said)
    assert first.endswith("in the incident (file_io, data_bytes).")
    shown = planted._repr_mimebundle_()
    for text in (shown["text/plain"], shown["text/markdown"], shown["text/html"], str(planted.chart().spec)):
        assert "programs started, how many" in text
        assert "questions to name servers, how long it waited (p50)" in text
        assert "command cryptominer" in text
        assert "dns, p50 of waited" in text.replace("\\", "")


def test_longer_waits_are_found_where_their_number_is_the_same(planted: Comparison) -> None:
    assert of(planted, COMMANDS[2], "p50 of waited_ns").table == "dns"
    assert of(planted, COMMANDS[2], "waited_ns").score > 3
    assert not [c for c in planted.beyond if c.table == "dns" and c.measure.name == "rows"]


def test_a_process_without_a_name_in_its_table_is_named_by_others(planted: Comparison) -> None:
    read = of(planted, COMMANDS[3], "data_bytes")
    assert (read.table, read.dimension) == ("file_io", "comm")
    assert "name data.#" not in read.also
    assert read.incident / read.good == pytest.approx(9, rel=0.1)


def test_one_or_two_events_are_no_change(planted: Comparison) -> None:
    assert not [c for c in planted.beyond if c.label in ("once", "twice")]
    assert [c for c in planted.changes if c.label == "once"]


def test_names_that_differ_in_numbers_only_stand_together(planted: Comparison) -> None:
    assert of(planted, "worker/#").incident == pytest.approx(20, rel=0.2)
    assert not [c for c in planted.changes if c.label.startswith("worker/") and c.label != "worker/#"]


def test_seconds_that_were_not_watched_do_not_count(quiet: Path, tmp_path: Path) -> None:
    rows = {name: [row for row in each if row["ts_ns"] <= START + 6 * S] for name, each in usual(2, 12).items()}
    rows["exec"].append({"ts_ns": START + 6 * S - 1, "comm": "the-last"})
    found = compare(moment(tmp_path / "friday", 6, rows, PROBES), quiet)
    assert found.beyond == ()


def test_flags_are_yes_or_no_and_a_command_may_be_called_true(tmp_path: Path) -> None:
    rows = by_chance(1, 10, 30, {"comm": "true", "was_preempted": True, "wait_ns": 12 * MS})
    found = compare(moment(tmp_path / "friday", 10, {"runq": rows}), moment(tmp_path / "monday", 10, {"runq": []}))
    first = found.beyond[0]
    assert (first.dimension, first.label) == ("comm", "true")
    assert "was_preempted yes" in first.also


def test_errors_and_signals_are_named(tmp_path: Path) -> None:
    def failing(path: Path, rate: float) -> Path:
        rows = by_chance(1, 10, rate, {"comm": "db", "errno": 28, "filename": "/x", "call": "fork"})
        return moment(path, 10, {"fork_failed": rows, "exec_failed": rows})

    found = compare(failing(tmp_path / "friday", 50), failing(tmp_path / "monday", 5))
    shown = {f"{c.dimension} {c.label}" for c in found.changes} | {also for c in found.changes for also in c.also}
    assert "errno ENOSPC (28)" in shown


def test_lost_events_are_said_and_may_be_all_there_is_to_a_change(quiet: Path, tmp_path: Path) -> None:
    lossy = {**usual(1, 40), "loss": [
        {"ts_ns": START + at * S, "span_ns": S, "table": "exec", "reserve_failed": 500, "map_full": 0}
        for at in range(1, 40)]}  # fmt: skip
    monday = moment(tmp_path / "monday", 40, lossy, PROBES)
    rows = usual(2, 12)
    rows["exec"] += by_chance(99, 12, 23, {"comm": "cryptominer"})
    friday = moment(tmp_path / "friday", 12, rows, PROBES)
    found = compare(friday, monday)
    assert any(note.startswith("exec lost events: 0 in the incident, 19 500 in") for note in found.notes)
    planted = next(c for c in found.beyond if c.label == "cryptominer")
    assert planted.doubt == "events were lost in the good moment"
    assert " ?" in str(found)
    assert next(c for c in compare(friday, quiet).beyond if c.label == "cryptominer").doubt == ""


def test_a_table_that_only_one_side_has_is_said(quiet: Path, tmp_path: Path) -> None:
    friday = moment(tmp_path / "friday", 12, {"exec": usual(2, 12)["exec"], "oom": []}, ["tcp"])
    rows = by_chance(3, 12, 5, {"comm": "x"})
    friday = moment(tmp_path / "saturday", 12, {"exec": usual(2, 12)["exec"], "opens": rows})
    notes = compare(friday, quiet).notes
    assert "Not recorded in the incident, and so not compared: dns, file_io." in notes
    assert "Not recorded in the good moment, and so not compared: opens." in notes


def test_two_windows_of_one_recording(tmp_path: Path) -> None:
    rows = usual(4, 40)
    rows["exec"] += by_chance(9, 10, 30, {"comm": "storm"}, START + 30 * S)
    rec = sb.open(moment(tmp_path / "friday", 40, rows, PROBES))
    found = compare(sb.window(rec, "30s", "40s"), sb.window(rec, "0s", "30s"), tables=["exec"])
    assert found.beyond[0].label == "storm"
    assert {c.table for c in found.changes} == {"exec"}
    assert found.incident.seconds == 10
    with pytest.raises(BadUsage, match="overlap"):
        compare(sb.window(rec, "20s", "40s"), sb.window(rec, "0s", "30s"))
    with pytest.raises(MissingTable, match="runq"):
        compare(sb.window(rec, "30s", "40s"), sb.window(rec, "0s", "30s"), tables=["runq"])


def test_several_good_moments_tell_more_of_the_noise(quiet: Path, tmp_path: Path) -> None:
    friday = moment(tmp_path / "friday", 12, usual(2, 12), PROBES)
    tuesday = moment(tmp_path / "tuesday", 12, usual(3, 12), PROBES)
    found = compare(friday, [quiet, tuesday])
    assert [w.seconds for w in found.good] == [40, 12]
    assert found.beyond == ()
    with pytest.raises(BadUsage, match="no good moment"):
        compare(friday, [])


def test_a_good_moment_that_is_too_short_says_so(quiet: Path) -> None:
    rec = sb.open(quiet)
    found = compare(sb.window(rec, "10s", "20s"), sb.window(rec, "0s", "2s"))
    assert found.quiet == ()
    assert "too short to tell how much quiet moments differ" in str(found)


def test_a_recording_in_which_nothing_happened(tmp_path: Path) -> None:
    still = [moment(tmp_path / name, 5, {}, ["exec"]) for name in ("friday", "monday")]
    found = compare(*still)
    assert found.changes == ()
    assert "nothing to compare" in str(found)
    assert "nothing to draw" in str(found.chart().spec)
    assert found.to_frame().empty


def test_names_from_a_node_do_no_harm_in_any_rendering(quiet: Path, tmp_path: Path) -> None:
    rows = usual(2, 12)
    for at, name in enumerate(HOSTILE):
        rows["exec"] += by_chance(at, 12, 9, {"comm": name, "filename": name, "pcomm": name})
    found = against(quiet, tmp_path, rows)
    assert sum(c.table == "exec" for c in found.beyond) >= 8
    shown = found._repr_mimebundle_()
    for text in (shown["text/html"], shown["text/markdown"], str(found.chart().spec), found.words.html()):
        assert "<script>alert" not in text
        assert "<a href" not in text
    for text in (str(found), shown["text/markdown"]):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_the_frame_and_the_json_hold_all_of_it(planted: Comparison) -> None:
    found = planted
    frame = found.to_frame()
    assert len(frame) == len(found.changes)
    assert list(frame.columns)[:8] == ["table", "measure", "dimension", "label", "good", "incident", "unit", "score"]
    assert frame["score"].abs().is_monotonic_decreasing
    assert len(found.to_frame(quiet=True)) == len(found.quiet)
    told = found.as_dict()
    assert told["incident"] == {"recording": "friday", "from_ns": START, "to_ns": START + 12 * S}
    assert len(told["changes"]) == len(frame)
    assert told["changes"][0]["table"] == frame["table"][0]
