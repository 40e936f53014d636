"""Every table that can be recorded: types that any reader knows, units, words."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from santabpf.compare.measures import Plan, plans
from santabpf.errors import BadUsage
from santabpf.probes import all_probes, table_probe
from santabpf.recording.manifest import TYPES, declare, type_name
from santabpf.schema import Schema
from santabpf.tables import all_tables, frame_tables, own_tables, table_schema

TABLES = all_tables()
UNIT_OF_SUFFIX = {"_ns": "ns", "_bytes": "bytes", "_ratio": "ratio"}


def test_the_tables_of_probes_and_of_the_recording_have_different_names() -> None:
    names = [table.name for probe in all_probes().values() for table in probe.tables]
    names += [*own_tables(), *frame_tables()]
    assert len(set(names)) == len(names) == len(TABLES)
    assert set(own_tables()) == {"loss", "gaps", "coverage", "clock", "receipt"}
    assert {"exec", "exit", "fork", "processes", "process_cpu", "runq", "runq_hist", "metrics"} <= set(TABLES)


@pytest.mark.parametrize("schema", TABLES.values(), ids=TABLES)
def test_no_column_has_a_type_that_some_reader_refuses(schema: Schema) -> None:
    for column in schema.arrow:
        assert type_name(column.type) in TYPES, column.name
        assert column.type not in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
        assert not pa.types.is_temporal(column.type)


@pytest.mark.parametrize("schema", TABLES.values(), ids=TABLES)
def test_every_table_starts_with_ts_ns_and_every_column_says_what_it_is(schema: Schema) -> None:
    assert schema.names[0] == "ts_ns"
    assert schema.arrow.field("ts_ns").type == pa.int64()
    assert "UTC" in schema["ts_ns"].description
    assert schema.description.startswith("One row is "), schema.description
    assert "node" not in schema.names, "the node stands in the folder's name"
    assert "second" not in schema.names, "queries get it as a column of their own"
    for column in schema.arrow:
        assert len(column.metadata[b"description"]) > 3, column.name
        for suffix, unit in UNIT_OF_SUFFIX.items():
            if column.name.endswith(suffix):
                assert column.metadata[b"unit"] == unit.encode(), column.name
    assert schema.arrow.metadata[b"table"].decode() == schema.table


@pytest.mark.parametrize("plan", plans(list(TABLES)).values(), ids=lambda plan: plan.table)
def test_what_is_measured_is_told_in_words_for_people(plan: Plan) -> None:
    title = TABLES[plan.table].title
    assert 2 < len(title) < 60
    for measure in (*plan.sums, *plan.quantiles):
        assert measure.words.startswith(f"{title}, "), measure.name
        assert "from this long" not in measure.words
        assert len(measure.words) > len(title) + 6
    assert len({m.words for m in (*plan.sums, *plan.quantiles)}) == len(plan.sums) + len(plan.quantiles)


@pytest.mark.parametrize("schema", TABLES.values(), ids=TABLES)
def test_a_process_has_its_start_beside_its_tgid(schema: Schema) -> None:
    names = set(schema.names)
    assert "tgid" not in names or "start_ns" in names
    assert "ptgid" not in names or "pstart_ns" in names or schema.table in ("process_cpu", "processes")


@pytest.mark.parametrize("schema", TABLES.values(), ids=TABLES)
def test_the_arrow_schema_survives_recording_json(schema: Schema) -> None:
    assert re.fullmatch("[0-9a-f]{12}", schema.hash)
    assert declare(schema.arrow, schema.table, schema.hash).arrow.equals(schema.arrow, check_metadata=True)


def test_a_name_that_is_no_table_suggests_the_nearest() -> None:
    with pytest.raises(BadUsage, match="there is no table 'runk'; did you mean 'runq'"):
        table_schema("runk")
    runq = table_probe("runq_hist")
    assert runq is not None
    assert runq.name == "runq"
    assert table_probe("coverage") is None
