"""pandas, DuckDB and Polars open a recording as it is; none of them has heard of santabpf."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHIPPED = sorted(p.parent for p in (Path(__file__).parents[2] / "recordings").glob("*/recording.json"))
HERE = Path(__file__).parent
FOLDERS = [HERE / "golden", *SHIPPED[:1]]

READERS = {
    "pandas": """
import pandas as pd
frame = pd.read_parquet(folder + "/" + table)
types = {name: str(frame[name].dtype) for name in ("ts_ns",)}
rows = {node: int(count) for node, count in frame["node"].astype(str).value_counts().items()}
times = frame["ts_ns"].tolist()
""",
    "duckdb": """
import duckdb
rel = duckdb.sql(f"select * from read_parquet('{folder}/{table}/**/*.parquet', hive_partitioning = true)")
types = {name: str(kind) for name, kind in zip(rel.columns, rel.types) if name in ("ts_ns", "node")}
rows = dict(rel.aggregate("node, count(*)").fetchall())
times = [row[0] for row in rel.project("ts_ns").fetchall()]
""",
    "polars": """
import polars as pl
frame = pl.scan_parquet(f"{folder}/{table}/**/*.parquet", hive_partitioning=True).collect()
types = {name: str(frame.schema[name]) for name in ("ts_ns", "node")}
rows = dict(frame.group_by("node").len().rows())
times = frame["ts_ns"].to_list()
""",
}
TYPES = {
    "pandas": {"ts_ns": "int64"},
    "duckdb": {"ts_ns": "BIGINT", "node": "VARCHAR"},
    "polars": {"ts_ns": "Int64", "node": "String"},
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("reader", READERS)
def test_it_is_read_without_santabpf(reader: str, folder: Path) -> None:
    listing = json.loads((folder / "recording.json").read_text())["tables"]
    code = (
        "import json, sys\nfolder = sys.argv[1]\nout = {}\nfor table in sys.argv[2:]:\n"
        + "".join(f"    {line}\n" for line in READERS[reader].strip().splitlines())
        + "    out[table] = [types, rows, min(times, default=None), max(times, default=None)]\n"
        "assert 'santabpf' not in sys.modules\nprint(json.dumps(out))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", code, folder, *listing], capture_output=True, text=True, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    for table, entry in listing.items():
        rows: dict[str, int] = {}
        for part in entry["parts"]:
            if part["rows"]:
                rows[part["node"]] = rows.get(part["node"], 0) + part["rows"]
        types, counted, first, last = found[table]
        assert types == TYPES[reader], table
        assert {node: count for node, count in counted.items() if count} == rows, table
        listed = [part for part in entry["parts"] if part["rows"]]
        assert first == min((part["ts_min"] for part in listed), default=None), table
        assert last == max((part["ts_max"] for part in listed), default=None), table


def test_the_values_agree_with_the_golden_ones() -> None:
    code = (
        "import duckdb, json, sys\n"
        "rows = duckdb.sql(f\"select * from read_parquet('{sys.argv[1]}/exec/**/*.parquet', hive_partitioning = true) "
        "order by node, ts_ns, tgid\")\n"
        "print(json.dumps([dict(zip(rows.columns, row)) for row in rows.fetchall()]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", code, HERE / "golden"], capture_output=True, text=True, check=True
    )
    expected = json.loads((HERE / "golden.json").read_text())["exec"]
    assert json.loads(run.stdout) == sorted(expected, key=lambda row: (row["node"], row["ts_ns"], row["tgid"]))
