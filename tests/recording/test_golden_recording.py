"""Format 1 as it was frozen: this version still reads every value of it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from santabpf.errors import RecordingError
from santabpf.recording import FORMAT, open, verify
from santabpf.recording.manifest import STATES, TYPES, type_name
from santabpf.schema import UNITS
from santabpf.tables import own_tables

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "golden.json").read_text())
FILES = sorted((HERE / "golden").rglob("*.parquet"))


def test_the_golden_recording_was_never_touched(golden: Path) -> None:
    listing = (golden / "recording.json").read_bytes()
    assert hashlib.sha256(listing).hexdigest() == "f342a1e63ee13964f0fb5c888fa024a026bb802b8f4ca96dba79d83c26efd03a"
    assert verify(golden) == []  # which goes over the sha256 of every part


@pytest.mark.parametrize("table", EXPECTED)
def test_every_value_is_read_as_it_was_written(golden: Path, table: str) -> None:
    assert open(golden)[table].arrow().to_pylist() == EXPECTED[table]


def test_what_it_says_about_itself(golden: Path) -> None:
    recording = open(golden)
    assert recording.info["format"] == FORMAT == 1
    assert recording.state == "complete"
    assert recording.nodes == ["node-1", "node-2"]
    assert recording.tables == sorted(EXPECTED)
    assert recording.window == (1_750_000_000_250_000_000, 1_750_000_003_000_000_000)
    assert recording.probes["fork"] == {
        "params": {}, "state": "failed", "why": "fork: this kernel has no such tracepoint",
    }
    assert recording.info["nodes"]["node-2"]["cpus"] == 64
    assert recording.info["scope"] == {"cgroup": "/drill"}
    assert {name: recording[name].rows for name in recording} == {name: len(rows) for name, rows in EXPECTED.items()}


def test_a_table_of_a_later_version_is_read_without_knowing_it(golden: Path) -> None:
    view = open(golden)["quasar"]
    assert view.schema.field("strength").type == pa.float64()
    assert view.schema.field("strength").metadata == {b"unit": b"ratio", b"description": b"how strong, 0..1"}
    assert view.arrow(["labels", "strength"]).to_pylist()[0] == {"labels": ["near", "far"], "strength": 0.75}


def test_an_empty_table_has_one_empty_part_with_all_its_columns(golden: Path) -> None:
    recording = open(golden)
    assert [(part.rows, part.ts_min, part.ts_max) for part in recording.parts("runq")] == [(0, None, None)]
    frame = recording["runq"].df()
    assert len(frame) == 0
    assert list(frame.columns[:3]) == ["time", "ts_ns", "start_ns"]


def test_frames_are_exact_to_the_nanosecond(golden: Path) -> None:
    frame = open(golden)["exec"].df()
    assert frame["time"].dtype == pd.DatetimeTZDtype("ns", "UTC")
    assert str(frame["time"][0]) == "2025-06-15 15:06:40.300000001+00:00"
    assert frame["ts_ns"].dtype == "int64"
    assert frame["cgroup_id"].dtype == "Int64", "whole numbers with nulls must not become fractions"
    assert frame["cgroup_id"].max() == 9_223_372_036_854_775_807
    assert frame["uid"].max() == 4_294_967_295
    assert set(frame["node"]) == {"node-1", "node-2"}
    assert open(golden)["gaps"].df()["end_ns"].isna().all()


def test_columns_come_in_the_order_that_was_asked_for(golden: Path) -> None:
    assert list(open(golden)["exec"].df(["node", "tgid"]).columns) == ["node", "tgid"]
    assert list(open(golden)["exec"].df(["tgid", "ts_ns"]).columns) == ["time", "tgid", "ts_ns"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-3:]))
def test_every_file_is_fit_for_spark_and_says_what_its_columns_are(file: Path) -> None:
    footer = pq.ParquetFile(file)
    for column in range(len(footer.schema)):
        leaf = footer.schema.column(column)
        assert leaf.physical_type in ("INT32", "INT64", "DOUBLE", "BOOLEAN", "BYTE_ARRAY")
        assert str(leaf.logical_type) in ("None", "String", "Int(bitWidth=32, isSigned=true)")
    for field in footer.schema_arrow:
        assert type_name(field.type) in TYPES
        assert set(field.metadata) >= {b"unit", b"description"}
    assert footer.schema_arrow.names[0] == "ts_ns"
    assert footer.schema_arrow.metadata[b"table"].decode() == file.parts[-3]
    assert "node" not in footer.schema_arrow.names, "the node stands in the folder's name only"


def test_opening_reads_recording_json_and_loads_nothing_heavy(golden: Path) -> None:
    code = (
        "import sys, santabpf as sb\n"
        "recording = sb.open(sys.argv[1])\n"
        "repr(recording), recording.window, recording.info, recording['exec'].rows\n"
        "print(*(m for m in ('pyarrow', 'pandas', 'duckdb') if m in sys.modules))\n"
        "recording.parts('exec')\n"
        "print(*(m for m in ('pyarrow.dataset', 'pandas', 'duckdb') if m in sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", code, golden], capture_output=True, text=True, check=True)
    assert run.stdout == "\n\n"


def test_sql_asks_all_tables(golden: Path) -> None:
    frame = open(golden).sql(
        "select e.node, e.second, e.ts_ns, comm, reason from exec e left join gaps using (node) order by all"
    )
    assert list(frame["comm"][:2]) == ["<b>x</b>", "sh"]
    assert list(frame["reason"].dropna()) == ["connection_lost"]
    assert frame["time"].dtype == pd.DatetimeTZDtype("ns", "UTC")
    assert frame["second"][0] == 1_750_000_000_000_000_000


def test_a_bundled_recording_opens_by_its_name_from_anywhere(
    golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from santabpf.recording import read

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(read, "shipped", lambda room: golden.parent)
    assert open("golden").tables == open("recordings/golden").tables == sorted(EXPECTED)
    with pytest.raises(RecordingError, match=r"recordings/goldne: there is no such recording; did you mean 'golden'\?"):
        open("recordings/goldne")
    (tmp_path / "kept" / "monday").mkdir(parents=True)
    (tmp_path / "kept" / "monday" / "recording.json").touch()
    with pytest.raises(RecordingError, match=r"kept/mondya: there is no such recording; did you mean 'monday'\?"):
        open(tmp_path / "kept" / "mondya")
    with pytest.raises(RecordingError, match="there is no such recording"):
        open("elsewhere/golden")


def test_the_page_about_the_format_names_every_key_and_type() -> None:
    page = (HERE.parents[1] / "docs" / "recording-format.md").read_text()
    root = json.loads((HERE / "golden" / "recording.json").read_text())
    table = root["tables"]["exec"]
    keys = {*root, *root["window"], *root["nodes"]["node-1"], *root["probes"]["runq"], *table}
    for word in keys | {*table["columns"][0], *table["parts"][0], *TYPES, *UNITS, *STATES, *own_tables()}:
        assert re.search(rf"`([a-z.*_]*\.)?{re.escape(word)}(\.[a-z_.*]*)?`", page), word
