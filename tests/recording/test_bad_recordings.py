"""A recording that is cut, changed, newer or hostile: one clear sentence that names file and column."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from santabpf.errors import BadUsage, MissingTable, NewerFormat, RecordingError
from santabpf.recording import open, verify
from santabpf.recording.manifest import parse

Root = dict[str, Any]
Edit = Callable[[Callable[[Root], object]], Path]
EXEC = "exec/node=node-1/part-000001.parquet"
GOLDEN = Path(__file__).parent / "golden"


def table(root: Root) -> Root:
    row: Root = root["tables"]["exec"]
    return row


def column(root: Root) -> Root:
    row: Root = table(root)["columns"][1]
    return row


def part(root: Root) -> Root:
    row: Root = table(root)["parts"][0]
    return row


def test_a_folder_that_is_not_there_suggests_the_nearest() -> None:
    with pytest.raises(RecordingError, match="there is no such recording"):
        open("/nowhere/at/all")


def test_a_folder_without_recording_json(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"has no recording\.json, so it is no recording"):
        open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="is no folder"):
        open(tmp_path / "file")


def test_a_pipe_in_its_place_does_not_block(copy: Path) -> None:
    for name in ("recording.json", EXEC):
        (copy / name).unlink()
        os.mkfifo(copy / name)
    with pytest.raises(RecordingError):
        open(copy)
    shutil.copy(GOLDEN / "recording.json", copy.with_name("recording.json"))
    os.replace(copy.with_name("recording.json"), copy / "recording.json")
    with pytest.raises(RecordingError, match="is no file"):
        open(copy)["exec"].arrow()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": NaN}', "\xff", "[" * 100_000, '{"a": "\\ud800"}'])
def test_a_recording_json_that_is_no_json_object(copy: Path, text: str) -> None:
    (copy / "recording.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordingError, match=r"recording\.json: .*(is no JSON|must be a JSON object)"):
        open(copy)


def test_a_newer_format_is_refused_before_all_else(copy: Path) -> None:
    (copy / "recording.json").write_text('{"format": 2, "everything": "else may differ"}')
    with pytest.raises(NewerFormat, match=r"is of format 2; this SantaBPF knows formats up to 1: update it"):
        open(copy)


LIES: dict[str, tuple[Callable[[Root], object], str]] = {
    "no_format": (lambda r: r.pop("format"), "format is missing"),
    "format_zero": (lambda r: r.update(format=0), "format 0 never existed"),
    "format_true": (lambda r: r.update(format=True), "format must be a whole number, not true or false"),
    "format_fraction": (lambda r: r.update(format=1.5), "format must be a whole number, not a fraction"),
    "state": (lambda r: r.update(state="fine"), "state must be one of recording, complete, interrupted, not 'fine'"),
    "huge_number": (lambda r: r.update(created_ns=1 << 63), "created_ns does not fit in 64 bits"),
    "window": (lambda r: r["window"].update(end_ns=5), "window ends before it starts"),
    "nodes_list": (lambda r: r.update(nodes=[]), "nodes must be an object, not a list"),
    "node_number": (lambda r: r["nodes"].update({"10": {}}), "nodes holds '10', which is no name"),
    "cpus": (lambda r: r["nodes"]["node-1"].update(cpus="2"), "nodes.node-1.cpus must be a whole number, not text"),
    "probe_params": (lambda r: r["probes"]["runq"]["params"].update(a="1"), "runq.params.a must be a whole"),
    "notes": (lambda r: r.update(notes=[1]), "notes must hold only text"),
    "no_tables": (lambda r: r.pop("tables"), "tables is missing"),
    "table_name": (lambda r: r["tables"].update({"../../etc": {}}), "tables holds '../../etc', which is no name"),
    "schema": (lambda r: table(r).update(schema="x"), "tables.exec.schema must be 12 hexadecimal digits"),
    "rows": (lambda r: table(r).update(rows=7), "tables.exec.rows says 7, but its parts have 6 together"),
    "column_type": (lambda r: column(r).update(type="uint64"), "start_ns has the type 'uint64'; known: int32"),
    "column_unit": (lambda r: column(r).update(unit="s"), "start_ns has the unit 's'; known: ns"),
    "column_name": (lambda r: column(r).update(name="a b"), "'a b', which is no name of a column"),
    "column_node": (lambda r: column(r).update(name="node"), "'node', which is no name"),
    "column_twice": (lambda r: table(r)["columns"].append(column(r)), "name each column once"),
    "no_ts_ns": (lambda r: table(r)["columns"].pop(0), "must start with ts_ns"),
    "part_twice": (lambda r: table(r)["parts"].append(part(r)), "tables.exec.parts lists a part twice"),
    "part_up": (lambda r: part(r).update(path="../exec/node=node-1/part-000001.parquet"), "must look like exec/"),
    "part_absolute": (lambda r: part(r).update(path="/etc/passwd"), "holds the path '/etc/passwd'"),
    "part_dots": (lambda r: part(r).update(path="exec/node=node-1/../../x"), "must look like exec/"),
    "part_nul": (lambda r: part(r).update(path="exec/node=node-1/part-000001.parquet\x00"), "must look like"),
    "part_newline": (lambda r: part(r).update(path="exec/node=node-1/part-000001.parquet\n"), "must look like"),
    "part_other_table": (lambda r: part(r).update(path="fork/node=node-1/part-000003.parquet"), "must look like exec/"),
    "part_node": (lambda r: part(r).update(node="node-3"), "a node 'node-3' that is not under nodes"),
    "part_sha": (lambda r: part(r).update(sha256="abc"), "sha256 must be 64 hexadecimal digits"),
    "part_negative": (lambda r: part(r).update(rows=-1), "rows and bytes can't be negative"),
    "part_ts": (lambda r: part(r).update(ts_min="0"), "parts.ts_min must be a whole number, not text"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_recording_json_that_lies_in_what_can_be_seen_at_once(edit: Edit, lie: str) -> None:
    change, message = LIES[lie]
    folder = edit(change)
    with pytest.raises(RecordingError, match=re.escape(message)) as caught:
        open(folder)
    assert str(folder / "recording.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert verify(folder) == [str(caught.value)]


def test_a_part_that_is_missing(copy: Path) -> None:
    (copy / EXEC).unlink()
    with pytest.raises(RecordingError, match=f"{EXEC}: is missing, but recording.json lists it"):
        open(copy)["exec"].arrow()
    assert open(copy)["exit"].arrow().num_rows == 2, "the other tables stay readable"


def test_a_part_that_is_cut_anywhere(copy: Path) -> None:
    whole = (copy / EXEC).read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        (copy / EXEC).write_bytes(whole[:length])
        with pytest.raises(RecordingError, match=f"{EXEC}: is {length} bytes long, not {len(whole)} as listed"):
            open(copy)["exec"].arrow()


def test_a_part_that_is_cut_and_a_size_that_says_so(edit: Edit, copy: Path) -> None:
    whole = (copy / EXEC).read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        (copy / EXEC).write_bytes(whole[:length])
        folder = edit(lambda root, length=length: part(root).update(bytes=length))
        with pytest.raises(RecordingError, match=f"{EXEC}: is no whole Parquet file: "):
            open(folder)["exec"].arrow()


def test_bits_that_flipped_give_that_error_or_are_seen_by_verify(copy: Path) -> None:
    whole, chance = (copy / EXEC).read_bytes(), random.Random(7)
    seen: list[str] = []
    for _ in range(400):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (copy / EXEC).write_bytes(data)
        try:
            open(copy)["exec"].df()
        except RecordingError as exc:
            seen.append(str(exc))
    assert len(seen) > 200
    assert all(EXEC in message for message in seen)
    assert any(EXEC in problem for problem in verify(copy))


def test_rows_that_are_not_as_many_as_listed(edit: Edit) -> None:
    def change(root: Root) -> None:
        part(root)["rows"] += 1
        root["tables"]["exec"]["rows"] += 1

    with pytest.raises(RecordingError, match=f"{EXEC}: has 4 rows, but recording.json says 5"):
        open(edit(change))["exec"].arrow()


@pytest.mark.parametrize(("lie", "message"), [
    ({"sha256": "0" * 64}, "its sha256 is"),
    ({"ts_min": 5}, "ts_ns runs from 1750000000299999999 to 1750000001500000000, but recording.json says from 5 to"),
    ({"ts_max": None}, "but recording.json says from"),
])
def test_what_only_verify_can_see(edit: Edit, lie: Root, message: str) -> None:
    folder = edit(lambda root: part(root).update(lie))
    problems = verify(folder)
    assert len(problems) == 1
    assert message in problems[0]
    assert EXEC in problems[0]


def test_verify_names_what_is_no_part_of_the_recording(copy: Path) -> None:
    for name in ("exec/notes.txt", "exec/node=node-1/.part-000009.parquet.tmp", "exec/node=node-1/part-000009.parquet"):
        (copy / name).write_bytes(b"PAR1")
    (copy / "elsewhere").symlink_to("/etc")
    assert [problem.removeprefix(f"{copy}/") for problem in verify(copy)] == [
        "elsewhere: is no part of the recording",
        "exec/notes.txt: is no part of the recording",
        "exec/node=node-1/.part-000009.parquet.tmp: is no part of the recording",
        "exec/node=node-1/part-000009.parquet: is no part of the recording",
    ]


def replace_part(folder: Path, rows: pa.Table) -> None:
    """Put other rows in the place of the first exec part, and let recording.json say so."""
    pq.write_table(rows, folder / EXEC)
    root = json.loads((folder / "recording.json").read_text())
    part(root).update(bytes=(folder / EXEC).stat().st_size)
    (folder / "recording.json").write_text(json.dumps(root))


@pytest.mark.parametrize(("change", "message"), [
    (lambda t: t.drop_columns(["tgid"]), "has no column 'tgid' (int32)"),
    (lambda t: t.set_column(4, "tgid", t["tgid"].cast(pa.uint64())), "column 'tgid' is uint64, but must be int32"),
    (lambda t: t.set_column(0, "ts_ns", t["ts_ns"].cast(pa.timestamp("ns"))), "column 'ts_ns' is timestamp[ns], but"),
    (lambda t: t.set_column(8, "comm", t["comm"].cast(pa.binary())), "column 'comm' is binary, but must be string"),
    (lambda t: t.append_column("tgid", t["tgid"]), "has more than one column 'tgid'"),
    (lambda t: t.append_column("spy", t["tgid"]), "has a column 'spy' that recording.json does not list"),
])
def test_a_column_that_is_missing_or_of_another_type(
    copy: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    replace_part(copy, change(pq.ParquetFile(copy / EXEC).read()))
    with pytest.raises(RecordingError, match=re.escape(f"{copy / EXEC}: {message}")):
        open(copy)["exec"].arrow()
    assert any(message in problem for problem in verify(copy))


def test_text_that_is_no_utf8(copy: Path) -> None:
    rows = pq.ParquetFile(copy / EXEC).read()
    raw = pa.array([b"\xff\xfe"] * 4, pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    replace_part(copy, rows.set_column(8, rows.schema.field("comm"), broken))
    with pytest.raises(RecordingError, match=r"is no whole Parquet file: .*UTF8"):
        open(copy)["exec"].arrow()


def test_a_listing_that_renames_a_column_of_a_table_we_know(edit: Edit) -> None:
    from santabpf.recording.manifest import declare
    from santabpf.tables import table_schema

    def change(root: Root) -> None:
        schema = table_schema("fork")
        fork = root["tables"]["fork"]
        fork.update(schema=schema.hash, columns=declare(schema.arrow, "fork", schema.hash).columns)
        fork["columns"][3]["type"] = "int64"

    with pytest.raises(RecordingError, match=r"column 'tgid' of fork is int64, but .* has it as int32"):
        open(edit(change))["fork"].arrow()


@pytest.mark.parametrize("link", ["exec", "exec/node=node-1", EXEC, "recording.json"])
def test_symbolic_links_are_not_followed(copy: Path, link: str) -> None:
    elsewhere = copy.with_name("elsewhere")
    shutil.move(copy / link, elsewhere)
    (copy / link).symlink_to(elsewhere)
    with pytest.raises(RecordingError, match=re.escape(f"{copy / link}: is a symbolic link")):
        open(copy)["exec"].arrow()


def test_a_table_that_was_not_recorded(golden: Path) -> None:
    with pytest.raises(MissingTable, match=r"golden has no 'switches' \(it has: clock, .*--probe switches") as caught:
        open(golden)["switches"]
    assert isinstance(caught.value, LookupError)
    with pytest.raises(MissingTable, match=r"No probe records that; did you mean 'exec'\?"):
        open(golden)["exce"]
    with pytest.raises(BadUsage, match=r"table exec has no column 'comn'; did you mean 'comm'\?"):
        open(golden)["exec"].df(["comn"])


def test_hostile_text_is_shown_and_not_obeyed(edit: Edit) -> None:
    def change(root: Root) -> None:
        root["tables"]["exec"]["description"] = "<script>alert(1)</script>\x1b[31m\u202e & more"

    recording = open(edit(change))
    shown = recording._repr_mimebundle_()["text/html"]
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\u202e &amp; more" in shown
    named = recording.path.rename(recording.path.with_name("<b>\x1b[31m"))
    assert "<b>" not in open(named)._repr_mimebundle_()["text/html"]
    assert "\x1b" not in repr(open(named))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within parsed JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, row in inner for place in places(row, (*path, key)))]


ROOT = json.loads((GOLDEN / "recording.json").read_text())
PLACES = [place for place in places(ROOT) if place]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_stands_in_recording_json_it_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    root = json.loads(json.dumps(ROOT))
    inner = root
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        manifest = parse(json.dumps(root).encode(), Path("/r"))
    except RecordingError as exc:
        assert str(exc).startswith("/r/recording.json: ")  # noqa: PT017 - either is right
        return
    for read in manifest.tables.values():
        for listed in read.parts:
            assert listed.path.resolve().is_relative_to("/r")
            assert listed.path.name.startswith("part-")
    assert parse(manifest.dump().encode(), Path("/r")) == manifest


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_bytes_are_in_it_they_are_refused(data: bytes) -> None:
    with pytest.raises(RecordingError):
        parse(data, Path("/r"))
