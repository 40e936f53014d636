"""A recording that grows for long has few parts, in order, and nobody who reads it loses one."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_writer import batch

from santabpf.recording import Writer, merge, open, verify
from santabpf.recording import write as write_room

SECOND = 1_000_000_000
START = 1_750_000_000 * SECOND
INFO = {"nodes": {"node-1": {}, "node-2": {}}, "probes": {"fork": {"params": {}, "state": "on", "why": None}}}


def grow(writer: Writer, seconds: range) -> None:
    for second in seconds:
        for node in ("node-1", "node-2"):
            writer.append(node, "fork", batch("fork", [{"ts_ns": START + second * SECOND, "tgid": second}]))
        writer.flush()


def seconds(path: Path) -> list[int]:
    rows = open(path)["fork"].arrow(["tgid", "node"]).to_pylist()
    assert [row["tgid"] for row in rows if row["node"] == "node-1"] == [
        row["tgid"] for row in rows if row["node"] == "node-2"
    ]
    return [row["tgid"] for row in rows if row["node"] == "node-1"]


def files(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "fork" / "node=node-1").iterdir())


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "AT_ONCE", 4)


def test_parts_are_put_together_again_and_again_and_stay_in_order(tmp_path: Path) -> None:
    path = tmp_path / "rec"
    with Writer(path, info=INFO, segment_s=1e9) as writer:
        grow(writer, range(1, 71))
        assert len(open(path)["fork"].parts) <= 2 * 12
        assert seconds(path) == list(range(1, 71))
    assert seconds(path) == list(range(1, 71))
    assert [name for name in files(path) if name.startswith("part-000001")] == ["part-000001-000064.parquet"]
    assert verify(path) == []


def test_whoever_opened_it_before_finds_all_that_it_knew_of(tmp_path: Path) -> None:
    path = tmp_path / "rec"
    with Writer(path, info=INFO, segment_s=1e9) as writer:
        grow(writer, range(1, 4))
        before, later = open(path), open(path)
        grow(writer, range(4, 30))
        assert before["fork"].arrow(["tgid"]).num_rows == 2 * 3
        before.refresh()
        assert before["fork"].arrow(["tgid"]).num_rows == 2 * 29
        assert len(before._checked) == len(before["fork"].parts)
    assert later["fork"].arrow(["tgid"]).num_rows == 2 * 29  # the three that it knew are gone


def test_what_was_put_together_long_ago_is_removed_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rec"
    monkeypatch.setattr(write_room, "KEEP_S", 0.0)
    with Writer(path, info=INFO, segment_s=1e9) as writer:
        grow(writer, range(1, 70))
        assert len(files(path)) <= 12
        assert seconds(path) == list(range(1, 70))


def test_large_parts_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rec"
    monkeypatch.setattr(merge, "MOST_BYTES", 100)
    with Writer(path, info=INFO, segment_s=1e9) as writer:
        grow(writer, range(1, 20))
    assert files(path) == [f"part-{number:06d}.parquet" for number in range(1, 20)]
    assert seconds(path) == list(range(1, 20))


def test_a_disk_that_fails_in_between_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rec"
    real = write_room.parquet.write_part

    def fails(path: Path, *rest: object) -> object:
        if "-" in path.stem.removeprefix("part-"):
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt
        return real(path, *rest)  # type: ignore[arg-type]

    with Writer(path, info=INFO, segment_s=1e9) as writer:
        grow(writer, range(1, 4))
        monkeypatch.setattr(write_room.parquet, "write_part", fails)
        with pytest.raises(KeyboardInterrupt):
            grow(writer, range(4, 5))
        monkeypatch.setattr(write_room.parquet, "write_part", real)
        grow(writer, range(5, 7))
    assert seconds(path) == list(range(1, 7))
    assert verify(path) == []
