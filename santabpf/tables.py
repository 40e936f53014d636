"""Every table that a recording can hold: those the probes fill, and those about the recording itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .errors import BadUsage, nearest
from .probes import all_probes
from .schema import Fields, Schema, load_yaml, parse_columns


@cache
def own_tables() -> dict[str, Schema]:
    """The tables about the recording itself: loss, gaps, coverage, clock, receipt."""
    path = Path(__file__).with_name("tables.yaml")
    schemas = {}
    for name, row in load_yaml(path).items():
        fields = Fields(row, path, name)
        description = " ".join(fields.take("description", str).split())
        columns = parse_columns(fields.take("columns", list), path, name, c_types=False)
        schemas[name] = Schema(name, description, columns)
        fields.done()
    return schemas


@cache
def all_tables() -> dict[str, Schema]:
    """Every table's schema, by name."""
    return {t.name: t.schema for p in all_probes().values() for t in p.tables} | own_tables()


def table_schema(name: str) -> Schema:
    """The schema of one table. Raises BadUsage with the nearest name."""
    try:
        return all_tables()[name]
    except KeyError:
        raise BadUsage(f"there is no table {name!r}; {nearest(name, all_tables())}") from None
