"""Where the time went: of the culprit and all it started while the alarm was on, and in a bounded picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import synthetic
from synthetic import MS, START, S

import santabpf as sb
from santabpf import postmortem
from santabpf.display import Flame
from santabpf.postmortem import flames
from santabpf.recording import Recording
from santabpf.replay import Result
from santabpf.units import SECOND

NOTHING = Result((), (), ())
BUILD_ID = "0123456789abcdef0123456789abcdef01234567"


def sample(at_ns: int, comm: str, tgid: int, start_ns: int, place: int) -> dict[str, Any]:
    return {"ts_ns": at_ns, "comm": comm, "tgid": tgid, "tid": tgid, "start_ns": start_ns, "cpu": 0, "cut": False,
            "kernel_stack": [], "user_frames": [f"{BUILD_ID}+{place:#x}"], "node": "node-1"}


def recorded(path: Path, samples: list[dict[str, Any]], places: int = 3, **options: Any) -> Recording:
    """A synthetic recording with these samples; the function at each place is called so."""
    names = ["main", "_start", "start_thread"] if places == 3 else [f"_Z_function_{at}" for at in range(places)]
    symbols = [{"ts_ns": START, "frame": f"{BUILD_ID}+{at:#x}", "is_return": False, "name": name, "offset_bytes": 0,
                "module": "/bin/thing", "module_offset_bytes": at, "node": "node-1"} for at, name in enumerate(names)]
    more = {"profile": pa.Table.from_pylist(samples), "symbols": pa.Table.from_pylist(symbols)}
    return sb.open(synthetic.record(path, jobs=120, more=more, **options))


def cpu(rec: Recording, result: Result) -> Flame:
    """The picture of the CPU time."""
    drawn = postmortem.time_spent(rec, result).blocks[0]
    assert isinstance(drawn, Flame)
    return drawn


@pytest.fixture(scope="module")
def rec(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """23 samples of the culprit (cron) or what it started, 7 of others, 5 before the alarm."""
    births = synthetic.tables(120)["fork"].to_pylist()
    job = next(row for row in births if row["comm"] == "bash")  # of a shell, of the script, of cron
    samples = [sample(START + 8 * S, "bzip2", job["tgid"], job["start_ns"], 0)] * 19
    samples += [sample(START + 9 * S, "cron", 200, 200 * 10 * MS, 1)] * 4
    samples += [sample(START + 10 * S, "apache2", 310, 310 * 10 * MS, 2)] * 7
    samples += [sample(START + 2 * S, "cron", 200, 200 * 10 * MS, 2)] * 5
    return recorded(tmp_path_factory.mktemp("flames") / "friday", samples)


@pytest.fixture(scope="module")
def result(rec: Recording) -> Result:
    return sb.replay(rec)


def test_when_a_scenario_fired_it_is_the_time_of_the_culprit_and_all_it_started(rec: Recording, result: Result) -> None:
    drawn = cpu(rec, result)
    assert sum(frame.value for frame in drawn.frames) == 23
    assert {frame.name.split(" ")[0] for frame in drawn.frames} == {"all", "bzip2", "cron", "main", "_start"}
    assert drawn.lead == ("cron (pid 200) and all it started, 12:00:07 to 12:00:28 UTC: 77 % of all CPU time that was "
                          "recorded then.")


def test_what_it_had_started_before_the_recording_is_its_own_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [sample(START + 8 * S, "old", 310, 310 * 10 * MS, 0)] * 11  # apache2, whose parent is 1 by /proc alone
    rec = recorded(tmp_path / "old", [*old, sample(START + 8 * S, "kernel", 2, 20 * MS, 0)])
    monkeypatch.setattr(flames, "_culprit", lambda _: ("apache2", (310, 310 * 10 * MS)))
    result = sb.replay(rec)
    assert sum(frame.value for frame in cpu(rec, result).frames) == 11
    monkeypatch.setattr(flames, "_culprit", lambda _: ("systemd", (1, 10 * MS)))
    assert sum(frame.value for frame in cpu(rec, result).frames) == 12


def test_without_a_verdict_it_is_that_of_all_processes(rec: Recording) -> None:
    drawn = cpu(rec, NOTHING)
    assert sum(frame.value for frame in drawn.frames) == 35
    assert drawn.lead == "All processes, 12:00:00 to 12:00:30 UTC."
    assert next(frame.name for frame in drawn.frames if frame.kind == "thread").startswith("bzip2 [")


def test_a_culprit_without_a_sample_is_said_to_be_without(tmp_path: Path) -> None:
    rec = recorded(tmp_path / "monday", [sample(START + 10 * S, "apache2", 310, 310 * 10 * MS, 2)] * 7)
    drawn = cpu(rec, sb.replay(rec))
    assert sum(frame.value for frame in drawn.frames) == 7
    assert drawn.lead == ("All processes, 12:00:07 to 12:00:28 UTC; nothing was seen of cron (pid 200) and what it "
                          "started.")


def test_what_was_not_recorded_is_said_or_left_out(tmp_path: Path, rec: Recording, result: Result) -> None:
    bare = sb.open(synthetic.record(tmp_path / "bare", jobs=0))
    said = str(postmortem.time_spent(bare, NOTHING))
    assert said == "`profile` was not recorded, so nothing is known of the functions that took the CPU time."
    assert "waited" not in str(postmortem.time_spent(rec, result))


def test_where_threads_waited_is_told_in_time_and_counts_waiting_for_work(tmp_path: Path) -> None:
    wait = sample(START + 8 * S, "cron", 200, 200 * 10 * MS, 0) | {"blocked_ns": 1500 * MS, "state": "S"}
    more = {"offcpu": pa.Table.from_pylist([wait] * 3)}
    rec = sb.open(synthetic.record(tmp_path / "waits", jobs=120, more=more))
    rec.info["probes"]["offcpu"]["params"] = {"min_block_ns": MS}
    words = postmortem.time_spent(rec, NOTHING)
    drawn = words.blocks[-1]
    assert isinstance(drawn, Flame)
    assert (drawn.unit, drawn.whole) == ("ns", "waiting time")
    assert sum(frame.value for frame in drawn.frames) == 4500 * MS
    assert drawn.note.endswith("Waits of less than 1 ms are not.")
    assert "Where threads waited" in words.html()


def test_no_recording_makes_a_picture_larger_than_its_share_of_a_page(tmp_path: Path) -> None:
    samples = [sample(START + at * MS, f"job{at % 97}", 500 + at % 97, 1, at) for at in range(20_000)]
    rec = recorded(tmp_path / "large", samples, places=20_000)
    drawn = cpu(rec, NOTHING)
    assert len(drawn.html()) <= 300_000
    assert sum(frame.value for frame in drawn.frames) == 20_000
    assert "0.05 %" in drawn.note


def test_a_sample_stands_for_as_long_as_the_recording_says(rec: Recording) -> None:
    drawn = cpu(rec, NOTHING)
    assert drawn.sample_ns is None
    told = sb.open(rec.path)
    told.info["probes"]["profile"]["params"] = {"hz": 49}
    again = cpu(told, NOTHING)
    assert again.sample_ns == SECOND // 49
