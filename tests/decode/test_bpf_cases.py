"""Cases of probes with programs: records that a kernel gave, decoded again without BPF, become the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from make_cases import decoded

from santabpf.probes import all_probes, parse_probe
from santabpf.probes.source import plan

CASES = [(p.name, path) for p in all_probes().values() for path in sorted((p.folder / "cases").glob("*/case.json"))]


@pytest.mark.parametrize("name", [p.name for p in all_probes().values() if p.program])
def test_each_table_of_a_probe_with_a_program_has_rows_in_a_case(name: str) -> None:
    cases = [json.loads(path.read_text(encoding="utf-8")) for probe, path in CASES if probe == name]
    filled = {table for case in cases for table, rows in case["rows"].items() if rows}
    tables = {table.name for table in all_probes()[name].tables}
    assert filled == tables, f"run: python tests/decode/make_cases.py {name}"


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{name}-{path.parent.name}" for name, path in CASES])
def test_the_records_become_the_rows(name: str, path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    rows = json.loads(json.dumps(decoded(case, plan([parse_probe(case["spec"])]))))
    assert rows == case["rows"]
    assert sum(map(len, rows.values())) > 0
