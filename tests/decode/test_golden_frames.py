"""The contract of the frames: bytes that were made once must become the same rows for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streams import table

from santabpf import wire
from santabpf.decode import Batch, Decoder
from santabpf.tables import table_schema

GOLDEN = Path(__file__).parent / "golden"


def decode(name: str) -> tuple[Decoder, list[Batch]]:
    decoder = Decoder(json.loads((GOLDEN / "plan.json").read_text()), "node-1")
    return decoder, decoder.feed((GOLDEN / f"{name}.frames").read_bytes()) + decoder.finish()


def test_the_good_stream_becomes_the_rows_it_always_became() -> None:
    decoder, batches = decode("good")
    wanted: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / "good.json").read_text())
    assert {batch.table for batch in batches} == set(wanted)
    for name, rows in wanted.items():
        found, told = table(batches, name), set().union(*rows)
        assert [{column: row[column] for column in told} for row in found] == rows
        newer = {column for row in found for column in row.keys() - told}  # a column may be added
        assert all(row[column] is None for row in found for column in newer)
    assert decoder.ended is None
    assert [trouble["message"] for trouble in decoder.troubles] == ["Words."]


def test_every_batch_is_in_the_schema_of_its_table() -> None:
    _, batches = decode("good")
    for batch in batches:
        assert batch.rows.schema.equals(table_schema(batch.table).arrow, check_metadata=True)
        batch.rows.validate(full=True)


def test_coverage_leaves_after_all_rows_of_its_seconds() -> None:
    _, batches = decode("good")
    for i, batch in enumerate(batches):
        if batch.table == "coverage":
            until_ns = max(row["ts_ns"] for row in batch.rows.to_pylist())
            later = [row["ts_ns"] for b in batches[i + 1 :] for row in b.rows.to_pylist()]
            assert all(ts_ns > until_ns for ts_ns in later)


@pytest.mark.parametrize(
    ("name", "reason", "words", "rows"),
    [
        ("cut", "connection_lost", "the stream ended in the middle of a frame, 189 bytes into it", 3),
        ("flipped", "bad_frame", "frame 3: its checksum does not match", 0),
        ("newer", "bad_frame", "frame 2: version 2, but this SantaBPF reads version 1", 0),
    ],
)
def test_a_bad_stream_keeps_what_came_before_and_says_why_it_ended(
    name: str, reason: str, words: str, rows: int
) -> None:
    decoder, batches = decode(name)
    assert decoder.ended == f"{reason}: {words}"
    assert decoder.stats.rows == rows
    (gap,) = table(batches, "gaps")
    assert (gap["reason"], gap["detail"], gap["table"], gap["end_ns"]) == (reason, words, None, None)


def test_each_kind_of_frame_stands_in_the_good_stream() -> None:
    frames = list(wire.Reader().feed((GOLDEN / "good.frames").read_bytes()))
    assert {frame.kind for frame in frames} == set(wire.KINDS)
