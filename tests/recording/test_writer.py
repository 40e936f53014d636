"""Writing: what goes in comes out, in whole segments, and never over something else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crash_writer import batch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from santabpf.errors import BadUsage, RecordingError
from santabpf.recording import Writer, open, verify
from santabpf.recording.parquet import ROW_GROUP
from santabpf.tables import own_tables, table_schema

T0 = 1_750_000_000_000_000_000
INFO: dict[str, Any] = {"nodes": {"node-1": {}}, "probes": {"fork": {"params": {}, "state": "on", "why": None}}}


def forks(*ts: int) -> pa.RecordBatch:
    return batch("fork", [{"ts_ns": t, "tgid": at} for at, t in enumerate(ts)])


def covered(end: int) -> pa.RecordBatch:
    return batch("coverage", [{"ts_ns": end, "span_ns": 10**9, "probe": "fork", "table": "fork", "rows": 1, "late": 0}])


def parts(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("part-*"))


def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    with Writer(tmp_path / "rec", info=INFO) as writer:
        writer.append("node-1", "fork", forks(T0 + 5, T0 + 3))
        writer.append("node-1", "fork", forks())
        writer.append("node-1", "fork", forks(T0 + 9))
        assert writer.rows == 3
    recording = open(tmp_path / "rec")
    assert recording.state == "complete"
    assert recording["fork"].arrow()["ts_ns"].to_pylist() == [T0 + 5, T0 + 3, T0 + 9], "rows are never sorted"
    (part,) = recording.parts("fork")
    assert (part.node, part.rows, part.ts_min, part.ts_max) == ("node-1", 3, T0 + 3, T0 + 9)
    assert verify(tmp_path / "rec") == []


def test_a_table_without_rows_gets_one_empty_part(tmp_path: Path) -> None:
    with Writer(tmp_path / "rec", info=INFO) as writer:
        writer.add_node("node-2", {"kernel": "6.1", "hostname": "secret", "uptime": 5})
        writer.append("node-2", "fork", forks(T0))
    recording = open(tmp_path / "rec")
    assert recording.tables == sorted(["fork", "fork_failed", *(set(own_tables()) - {"mappings", "symbols"})])
    assert {name: len(recording.parts(name)) for name in recording} == dict.fromkeys(recording, 1)
    assert recording["coverage"].arrow().schema.names == [*table_schema("coverage").names, "node"]
    assert recording.info["nodes"]["node-2"] == {"kernel": "6.1"}, "a host name is not kept"
    assert "secret" not in (tmp_path / "rec" / "recording.json").read_text()


def test_the_window_is_what_was_covered(tmp_path: Path) -> None:
    with Writer(tmp_path / "rec", info=INFO) as writer:
        writer.append("node-1", "fork", forks(T0 - 5))
        assert open(tmp_path / "rec").window[0] == open(tmp_path / "rec").info["created_ns"]
        writer.flush()
        assert open(tmp_path / "rec").window == (T0 - 5, T0 - 5)
        writer.append("node-1", "coverage", covered(T0 + 2 * 10**9))
        writer.append("node-1", "coverage", covered(T0 + 10**9))
    assert open(tmp_path / "rec").window == (T0, T0 + 2 * 10**9)


def test_a_segment_closes_by_time_and_by_size(tmp_path: Path) -> None:
    with Writer(tmp_path / "time", info=INFO, segment_s=0) as writer:
        for at in range(3):
            writer.append("node-1", "fork", forks(T0 + at))
        assert open(tmp_path / "time")["fork"].rows == 3
    with Writer(tmp_path / "size", info=INFO, segment_s=1e9, buffer_bytes=forks(T0).nbytes * 2) as writer:
        for at in range(3):
            writer.append("node-1", "fork", forks(T0 + at))
        assert open(tmp_path / "size")["fork"].rows == 2
    assert [part.rows for part in open(tmp_path / "size").parts("fork")] == [2, 1]


def test_coverage_reaches_the_disk_after_all_other_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed: list[str] = []
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda old, new: (renamed.append(str(new)), rename(old, new))[1])
    with Writer(tmp_path / "rec", info=INFO) as writer:
        writer.append("node-1", "coverage", covered(T0))
        writer.append("node-1", "fork", forks(T0))
        writer.append("node-1", "receipt", batch("receipt", [{"ts_ns": T0}]))
        writer.flush()
        names = [Path(name).relative_to(tmp_path / "rec").parts[0] for name in renamed[2:]]
        assert sorted(names[:2]) == ["fork", "receipt"]
        assert names[2:] == ["coverage", "recording.json"]


def test_a_follower_sees_new_segments(tmp_path: Path) -> None:
    with Writer(tmp_path / "rec", info=INFO) as writer:
        recording = open(tmp_path / "rec")
        assert recording.state == "recording"
        for at in range(1, 4):
            writer.append("node-1", "fork", forks(T0 + at))
            writer.flush()
            recording.refresh()
            assert len(recording.parts("fork")) == at
            assert recording["fork"].rows == at
    recording.refresh()
    assert recording.state == "complete"


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link"])
def test_what_exists_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rec"
    if kind in ("folder", "empty"):
        path.mkdir()
    if kind == "folder":
        (path / "recording.json").write_text("mine")
    if kind == "file":
        path.write_text("mine")
    if kind == "link":
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadUsage, match="exists already, and a recording is never overwritten; choose another name"):
        Writer(path, info=INFO)
    assert kind != "folder" or (path / "recording.json").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["rec"], "and nothing is left beside it"


def test_a_recording_that_nothing_came_of_is_removed(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "rec", info=INFO)
    writer.append("node-1", "fork", forks(T0))
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadUsage, match="is closed"):
        writer.append("node-1", "fork", forks(T0))


def test_an_exception_leaves_it_interrupted_and_whole(tmp_path: Path) -> None:
    def fail() -> None:
        with Writer(tmp_path / "rec", info=INFO) as writer:
            writer.append("node-1", "fork", forks(T0))
            writer.note("the node went away")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    recording = open(tmp_path / "rec")
    assert recording.state == "interrupted"
    assert recording.info["notes"] == ["the node went away"]
    assert recording["fork"].rows == 1
    assert verify(tmp_path / "rec") == []


@pytest.mark.parametrize("call", range(1, 16))
def test_ctrl_c_at_any_moment_of_a_flush_neither_loses_nor_doubles_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    left = call

    def interrupt(old: str, new: str) -> None:
        nonlocal left
        left -= 1
        if left == 0 and call % 2:
            raise KeyboardInterrupt
        rename(old, new)
        if left == 0:
            raise KeyboardInterrupt

    def write() -> None:
        with Writer(tmp_path / "rec", info=INFO) as writer:
            monkeypatch.setattr(os, "rename", interrupt)
            for at in range(10):
                writer.append("node-1", "fork", forks(T0 + at))
                writer.append("node-1", "coverage", covered(T0 + at))
                writer.flush()

    rename = os.rename
    with pytest.raises(KeyboardInterrupt):
        write()
    recording = open(tmp_path / "rec")
    assert recording.state == "interrupted"
    rows = recording["fork"].arrow()["ts_ns"].to_pylist()
    assert rows == list(range(T0, T0 + (call - 1) // 3 + 1))
    assert recording["coverage"].rows == len(rows)
    assert verify(tmp_path / "rec") == []


def test_rows_of_other_columns_are_refused(tmp_path: Path) -> None:
    good = forks(T0)
    with Writer(tmp_path / "rec", info=INFO) as writer:
        with pytest.raises(BadUsage, match="differ from its declaration in column tgid: int64, not int32"):
            writer.append("node-1", "fork", good.set_column(3, "tgid", pa.array([1], pa.int64())))
        with pytest.raises(BadUsage, match="in column tgid: missing, not int32"):
            writer.append("node-1", "fork", good.drop_columns(["tgid"]))
        with pytest.raises(BadUsage, match="in column spy: int32, not known"):
            writer.append("node-1", "fork", good.append_column("spy", good["tgid"]))
        with pytest.raises(BadUsage, match="hold a null in ts_ns"):
            writer.append("node-1", "fork", batch("fork", [{"tgid": 1}]))
        with pytest.raises(BadUsage, match="no probe declares 'frok'; did you mean 'fork'"):
            writer.append("node-1", "frok", good)
        with pytest.raises(BadUsage, match="there is no node 'node-2'; did you mean 'node-1'"):
            writer.append("node-2", "fork", good)
    assert open(tmp_path / "rec")["fork"].rows == 0


@pytest.mark.parametrize(("info", "message"), [
    ({"nods": {}}, "info has no 'nods'; did you mean 'nodes'"),
    ({"nodes": {"10": {}}}, "'10' is no node label"),
    ({"nodes": {"Web_1": {}}}, "'Web_1' is no node label"),
    ({"nodes": {"a": {"hostname": "x"}}}, "'hostname' is no fact that a recording keeps"),
])
def test_info_that_no_recording_has(tmp_path: Path, info: dict[str, Any], message: str) -> None:
    with pytest.raises(BadUsage, match=message):
        Writer(tmp_path / "rec", info=info)
    assert list(tmp_path.iterdir()) == []


def test_info_that_could_not_be_read_again(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"probes\.fork\.state is missing"):
        Writer(tmp_path / "rec", info={"probes": {"fork": {"params": {}}}})


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=r"cannot be made: .*/file: File exists"):
        Writer(tmp_path / "file" / "rec", info=INFO)


def test_many_rows_are_written_in_row_groups(tmp_path: Path) -> None:
    count = ROW_GROUP + 10
    schema = table_schema("switches").arrow
    info = {"nodes": {"node-1": {}}, "probes": {"switches": {"params": {}, "state": "on", "why": None}}}
    ts = pa.array(range(T0, T0 + count), pa.int64())
    low = pa.array([1, 2] * (count // 2), pa.int32())
    with Writer(tmp_path / "rec", info=info) as writer:
        writer.append("node-1", "switches", pa.RecordBatch.from_arrays([ts, low, low, low, low], schema=schema))
    view = open(tmp_path / "rec")["switches"]
    assert view.arrow(["ts_ns"])["ts_ns"].combine_chunks() == ts
    assert view.parts[0].bytes < count * 3, "at most 3 bytes an event"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ROW = st.fixed_dictionaries({
    "ts_ns": st.integers(-(1 << 63), (1 << 63) - 1),
    "start_ns": st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    "tgid": st.none() | st.integers(-(1 << 31), (1 << 31) - 1),
    "comm": st.none() | TEXT,
    "argv": st.none() | st.lists(st.none() | TEXT, max_size=3),
    "argv_truncated": st.none() | st.booleans(),
})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segments=st.lists(st.lists(ROW, max_size=5), max_size=3))
def test_any_rows_come_back(tmp_path_factory: pytest.TempPathFactory, segments: list[list[dict[str, Any]]]) -> None:
    folder = tmp_path_factory.mktemp("any") / "rec"
    info = {"nodes": {"n": {}}, "probes": {"exec": {"params": {}, "state": "on", "why": None}}}
    with Writer(folder, info=info) as writer:
        for rows in segments:
            writer.append("n", "exec", batch("exec", rows))
            writer.flush()
    found = open(folder)["exec"].arrow(["ts_ns", "start_ns", "tgid", "comm", "argv", "argv_truncated"]).to_pylist()
    assert found == [row for rows in segments for row in rows]
    assert verify(folder) == []
    assert json.loads((folder / "recording.json").read_text())["tables"]["exec"]["rows"] == len(found)
