"""Each probe that reads /proc: the files of its cases must become the rows that stand beside them.

probes/<name>/cases/<case>/before/...   what the elf read one second earlier (none for a table read once)
probes/<name>/cases/<case>/now/...      what it read
probes/<name>/cases/<case>/facts.json   what differs from an ordinary node
probes/<name>/cases/<case>/rows.json    the rows; a column that is null may be left out
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from santabpf.probes import Probe, all_probes
from santabpf.probes.procfs import Facts, Files
from santabpf.tables import table_schema
from santabpf.units import SECOND

PROBES = [p for p in all_probes().values() if any(t.source == "proc" for t in p.tables)]
CASES = [case for probe in PROBES for case in sorted((probe.folder / "cases").iterdir())]
TS_NS = 1_777_636_801 * SECOND


def read(folder: Path) -> Files | None:
    """The files of one reading, under the names that the elf gives them."""
    if not folder.exists():
        return None
    names = {path: str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()}
    return {_named(name): path.read_bytes() for path, name in names.items()}


def _named(name: str) -> str:
    """cgroup/a/b/cpu.stat stands for /a/b/cpu.stat, the name of which could be that of any other file."""
    if name.startswith("cgroup/"):
        return name.removeprefix("cgroup")
    return f"/{name}" if name.startswith("proc/") else name


def parse(case: Path) -> list[dict[str, Any]]:
    """The rows of one case, checked to fit the table's schema."""
    probe = case.parents[1].name
    module = importlib.import_module(f"santabpf.probes.{probe}.parse")
    facts = case / "facts.json"
    changes = json.loads(facts.read_text()) if facts.exists() else {}
    now = read(case / "now")
    assert now is not None
    columns = module.rows(
        now, read(case / "before"), TS_NS, SECOND, Facts(**{"clock_tick_hz": 100, "page_bytes": 4096, **changes})
    )
    schema = table_schema(probe).arrow
    arrays = {name: pa.array(values, schema.field(name).type) for name, values in columns.items()}
    return pa.table(arrays).to_pylist() if arrays else []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}-{case.name}")
def test_the_files_become_the_rows(case: Path) -> None:
    wanted = json.loads((case / "rows.json").read_text())
    got = [{name: value for name, value in row.items() if value is not None} for row in parse(case)]
    assert got == [{"ts_ns": TS_NS, **row} for row in wanted]


def test_every_column_of_each_table_is_made_by_some_case() -> None:
    for probe in PROBES:
        made = {name for case in CASES if case.parents[1].name == probe.name for row in parse(case) for name in row}
        assert made == set(table_schema(probe.name).names)


def test_every_probe_that_reads_proc_has_a_case() -> None:
    assert {case.parents[1].name for case in CASES} == {probe.name for probe in PROBES}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_the_readme_lists_the_columns_as_the_yaml_has_them(probe: Probe) -> None:
    lines = (probe.folder / "README.md").read_text().splitlines()
    wanted = [f"| `{c.name}` | {c.unit} | {c.description} |" for t in probe.tables for c in t.schema.columns]
    assert [line for line in lines if line.startswith("| `")] == wanted
    assert {"## What it does not measure", "## An example", "## Cost", "## Kernels", "## Sources"} <= set(lines)
