"""Larger recordings out of real ones: a made-up node, grown."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic

from santabpf.bench.grown import grow
from santabpf.probes import table_probe
from santabpf.recording import Recording, verify
from santabpf.recording import open as open_recording
from santabpf.units import SECOND


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return open_recording(synthetic.record(tmp_path_factory.mktemp("small") / "small", jobs=20))


def test_each_row_comes_back_so_many_times_and_later_by_whole_seconds(small: Recording, tmp_path: Path) -> None:
    told = grow(small, tmp_path / "grown", 3)
    large = open_recording(tmp_path / "grown")
    assert verify(large.path) == []
    assert told == sum(large[t].rows for t in large.tables if table_probe(t))
    old, new = small["exec"].arrow().sort_by("ts_ns"), large["exec"].arrow().sort_by("ts_ns")
    assert new.num_rows == 3 * old.num_rows
    first, last = old["ts_ns"].to_pylist(), new["ts_ns"].to_pylist()[2 * old.num_rows :]
    moved = {late - early for early, late in zip(first, last, strict=True)}
    assert len(moved) == 1
    (by,) = moved
    assert by % (2 * SECOND) == 0
    assert by >= 2 * (small.window[1] - small.window[0])


def test_tables_read_once_are_not_repeated(small: Recording, tmp_path: Path) -> None:
    grow(small, tmp_path / "grown", 3)
    assert open_recording(tmp_path / "grown")["processes"].rows == small["processes"].rows


def test_only_the_tables_asked_for_and_coverage_are_kept(small: Recording, tmp_path: Path) -> None:
    grow(small, tmp_path / "grown", 2, ["exec"])
    large = open_recording(tmp_path / "grown")
    assert large["exec"].rows == 2 * small["exec"].rows
    assert large["coverage"].rows == 2 * small["coverage"].rows
    assert "exit" not in large


def test_what_began_in_the_window_begins_again_and_what_was_there_before_stays_who_it_is(
    small: Recording, tmp_path: Path
) -> None:
    grow(small, tmp_path / "grown", 2)
    old, new = small["exec"].df(), open_recording(tmp_path / "grown")["exec"].df()
    assert len(set(zip(new.tgid, new.start_ns, strict=True))) == 2 * len(set(zip(old.tgid, old.start_ns, strict=True)))
    there_before = set(small["processes"].df().start_ns)
    assert set(new.pstart_ns) & there_before == set(old.pstart_ns) & there_before != set()
