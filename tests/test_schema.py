from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from santabpf.errors import BadScenario, BadUsage
from santabpf.probes import all_probes, load_probe, parse_probe
from santabpf.schema import Column, Fields, Schema, load_yaml, parse_columns
from santabpf.tables import all_tables, own_tables, table_schema


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    return path


def columns(tmp_path: Path, text: str, *, c_types: bool = False) -> tuple[Column, ...]:
    path = write(tmp_path, text)
    return parse_columns(load_yaml(path)["columns"], path, "t", c_types=c_types)


# ----------------------------------------------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [\n", 3, ""),
        ("a: 1\na: 2\n", 2, "key 'a' stands twice"),
        ("a:\n  x: 1\n  x: 2\n", 3, "key 'x' stands twice"),
        ("1: a\n", 1, "a key that is no text: 1"),
        ("- a\n", 1, "must be a mapping"),
        ("", 1, "must be a mapping"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "could not determine a constructor"),
    ],
)
def test_yaml_that_breaks_the_rules_is_an_error_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadScenario) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r"absent\.yaml: cannot be read: No such file"):
        load_yaml(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(BadScenario, match=r"latin\.yaml"):
        load_yaml(tmp_path / "latin.yaml")


def test_lines_are_those_of_the_keys_and_of_the_text_of_a_block(tmp_path: Path) -> None:
    node = load_yaml(write(tmp_path, "a: 1\nb:\n  c: 2\nsql: |\n  select 1\n"))
    assert (node.lines, node["b"].lines) == ({"a": 1, "b": 2, "sql": 5}, {"c": 3})


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\ndescripton: y\n")
    fields = Fields(load_yaml(path), path, "here")
    assert (fields.take("name", str), fields.take("description", str, None)) == ("x", None)
    with pytest.raises(BadScenario, match=r":2: here\.descripton: unknown key; did you mean 'description'\?"):
        fields.done()


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [("1", str, "must be text, not 1"), ("yes", int, "must be a whole number, not True"), ("x", list, "must be a list"),
     ("true", (int, float), "must be a whole number or a number, not True"), ("1.5", int, "not 1.5")],
)  # fmt: skip
def test_a_value_of_the_wrong_type_says_which_it_must_be(
    tmp_path: Path, value: str, kind: type | tuple[type, ...], words: str
) -> None:
    path = write(tmp_path, f"k: {value}\n")
    with pytest.raises(BadScenario, match=words):
        Fields(load_yaml(path), path).take("k", kind)


def test_a_missing_key_is_an_error_unless_it_has_a_default(tmp_path: Path) -> None:
    path = write(tmp_path, "a: 1\n")
    assert Fields(load_yaml(path), path).take("b", int, 7) == 7
    with pytest.raises(BadScenario, match=r":1: b: is missing"):
        Fields(load_yaml(path), path).take("b", int)


def test_a_misspelt_key_that_must_be_there_is_told_as_misspelt(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nsumary: b\n")
    with pytest.raises(BadScenario, match=r":2: sumary: is unknown; did you mean 'summary'\?"):
        Fields(load_yaml(path), path).take("summary", str)


# -------------------------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{name: Bad, description: d}", "must match"),
        ("{name: a, description: d, kind: clok}", "did you mean 'clock'"),
        ("{name: a, description: d, c: u64, kind: ip}", "an address is a char"),
        ("{name: a, description: d, unit: seconds}", "'seconds' is unknown; there is: bytes, count"),
        ("{name: a, description: d, c: int}", "no u8...u64"),
        ("{name: a}", "description: is missing"),
        ("{name: a, description: d, units: ns}", "did you mean 'unit'"),
        ("[a]", "must be a mapping"),
    ],
)
def test_a_bad_column_is_an_error(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(BadScenario, match=words):
        columns(tmp_path, f"columns:\n  - {row}\n")


def test_a_column_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r":3: .*'a' stands twice"):
        columns(tmp_path, "columns:\n  - {name: a, description: d}\n  - {name: a, description: d}\n")


@pytest.mark.parametrize(
    ("c", "kind", "unit", "arrow"),
    [("u8", "number", "id", pa.int32()), ("s32", "number", "id", pa.int32()), ("u32", "number", "id", pa.int64()),
     ("u64", "number", "ns", pa.int64()), ("u64", "clock", "ns", pa.int64()), ("u8", "bool", "none", pa.bool_()),
     ("char[16]", "text", "none", pa.string()), ("char[512]", "argv", "none", pa.list_(pa.string())),
     ("u32", "log2", "ns", pa.int64()), (None, "number", "ratio", pa.float64()), (None, "number", "count", pa.int64())],
)  # fmt: skip
def test_each_kind_has_its_arrow_type_and_none_is_unsigned(
    c: str | None, kind: str, unit: str, arrow: pa.DataType
) -> None:
    assert Column("x", c, kind, unit, "d").arrow_type == arrow  # type: ignore[arg-type]


def test_the_numpy_type_is_as_wide_as_the_struct() -> None:
    schema = table_schema("exec")
    assert schema.dtype().itemsize == sum(c.c_bytes for c in schema.fields) == 728
    assert schema.dtype()["argv"] == np.dtype("S512")
    assert Column("argv", "char[512]", "argv", "none", "d").c_declaration == "char argv[512]"
    assert Column("tgid", "s32", "number", "id", "d").c_declaration == "s32 tgid"


def test_the_hash_changes_with_name_type_kind_and_order_but_not_with_words() -> None:
    a, b = Column("a", "u32", "number", "id", "words"), Column("b", "u32", "number", "id", "words")
    base = Schema("t", "d", (a, b)).hash
    assert Schema("t", "other", (Column("a", "u32", "number", "id", "other words"), b)).hash == base
    different = [
        (b, a),
        (a,),
        (Column("a", "u64", "number", "id", "words"), b),
        (Column("a", "u32", "start", "id", "words"), b),
    ]
    assert len({base, *(Schema("t", "d", columns).hash for columns in different)}) == 5


# --------------------------------------------------------------------------------------------- what is there today


def test_each_column_says_its_unit_and_its_meaning_in_the_recording() -> None:
    for name, schema in all_tables().items():
        assert schema.arrow.names == schema.names
        assert schema.columns[0].name == "ts_ns"
        assert "UTC" in schema["ts_ns"].description
        assert schema.arrow.metadata[b"table"] == name.encode()
        for field in schema.arrow:
            assert field.metadata[b"description"]
            assert field.type not in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())


@pytest.mark.parametrize(("suffix", "unit"), [("_ns", "ns"), ("_bytes", "bytes"), ("_ratio", "ratio")])
def test_quantities_wear_their_unit(suffix: str, unit: str) -> None:
    for schema in all_tables().values():
        for column in schema.columns:
            assert not column.name.endswith(suffix) or column.unit == unit
            assert column.unit not in ("ns", "bytes") or column.name.endswith(f"_{column.unit}")


def test_every_process_table_has_the_identity_of_its_process() -> None:
    for name, schema in all_tables().items():
        assert ("tgid" in schema.names) == ("start_ns" in schema.names), name


def test_the_tables_about_the_recording_are_five() -> None:
    assert set(own_tables()) == {"loss", "gaps", "coverage", "clock", "receipt"}
    assert not {table.name for probe in all_probes().values() for table in probe.tables} & set(own_tables())


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(BadUsage, match="there is no table 'runk'; did you mean 'runq'"):
        table_schema("runk")


# --------------------------------------------------------------------------------------------------------- probes

PROBE = """\
name: p
summary: s
cost: c
kernels: k
sources: [x]
tables:
  t:
    source: {source}
    description: d
    {extra}
    columns:
"""
CLOCK = "{name: ts_ns, c: u64, kind: clock, unit: ns, description: UTC}"


def probe_with(tmp_path: Path, source: str, extra: str, *rows: str) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    text = PROBE.format(source=source, extra=extra) + "".join(f"      - {row}\n" for row in rows)
    (folder / "probe.yaml").write_text(text)
    load_probe(folder)


@pytest.mark.parametrize(
    ("source", "extra", "rows", "words"),
    [
        ("rign", "", [CLOCK], "'rign' is unknown; did you mean 'ring'"),
        ("ring", "ring_bytes: 5000", [CLOCK], "no power of two"),
        ("ring", "", [CLOCK, "{name: a, c: u8, description: d}", "{name: b, c: u32, description: d}"],
         "b would start at byte 9, not aligned to 4"),
        ("ring", "", [CLOCK, "{name: a, c: u32, description: d}"], "12 bytes long, no multiple of 8"),
        ("ring", "", ["{name: ts_ns, c: u64, description: d}"], "of kind clock"),
        ("ring", "", [CLOCK, "{name: a, description: d}"], "c: is missing"),
        ("ring", "entries: 5", [CLOCK], "unknown key"),
        ("map", "entries: 5", [CLOCK], "needs columns with `key: true`"),
        ("map", "entries: 5", ["{name: ts_ns, kind: clock, unit: ns, description: d}",
                               "{name: a, c: u32, key: true, description: d}", "{name: b, c: u64, description: d}"],
         "must be `cumulative: true`"),
        ("proc", "", ["{name: ts_ns, kind: clock, description: d}"], "needs files, each_process"),
        ("proc", "files: [/proc/stat]", ["{name: a, description: d}"], "first column must be ts_ns"),
    ],
)  # fmt: skip
def test_a_probe_that_breaks_its_contract_is_an_error(
    tmp_path: Path, source: str, extra: str, rows: list[str], words: str
) -> None:
    with pytest.raises(BadScenario, match=words):
        probe_with(tmp_path, source, extra, *rows)


def test_a_probe_is_asked_for_by_name_and_parameters() -> None:
    probe, values = parse_probe("runq:min_wait_ns=1000000")
    assert (probe.name, values) == ("runq", {"min_wait_ns": 1_000_000})
    assert parse_probe("runq")[1] == {"min_wait_ns": 10_000_000}


@pytest.mark.parametrize(
    ("spec", "words"),
    [("runk", "did you mean 'runq'"), ("runq:min_wait=1", "did you mean 'min_wait_ns'"),
     ("runq:min_wait_ns=1ms", "whole number"),
     (":x=1", "names no probe"), ("", "names no probe")],
)  # fmt: skip
def test_a_misspelt_probe_names_the_nearest(spec: str, words: str) -> None:
    with pytest.raises(BadUsage, match=words):
        parse_probe(spec)
