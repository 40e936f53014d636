"""Every table that a recording can hold: those the probes fill, and those about the recording itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from . import places
from .errors import BadUsage, nearest
from .probes import all_probes
from .schema import Fields, Schema, load_yaml, parse_columns


@cache
def own_tables() -> dict[str, Schema]:
    """The tables about the recording itself: loss, gaps, coverage, clock, receipt."""
    return _of_file(Path(__file__).with_name("tables.yaml"))


@cache
def frame_tables() -> dict[str, Schema]:
    """The tables that give names to frames, of recordings with stacks: mappings, symbols."""
    return _of_file(Path(__file__).with_name("frames.yaml"))


def _of_file(path: Path) -> dict[str, Schema]:
    schemas = {}
    for name, row in load_yaml(path).items():
        fields = Fields(row, path, name)
        description = " ".join(fields.take("description", str).split())
        columns = parse_columns(fields.take("columns", list), path, name, c_types=False)
        schemas[name] = Schema(name, description, columns)
        fields.done()
    return schemas


def all_tables() -> dict[str, Schema]:
    """Every table's schema, by name."""
    return _of_places(places.key())


@cache
def _of_places(key: str) -> dict[str, Schema]:
    return {t.name: t.schema for p in all_probes().values() for t in p.tables} | own_tables() | frame_tables()


def table_schema(name: str) -> Schema:
    """The schema of one table. Raises BadUsage with the nearest name."""
    try:
        return all_tables()[name]
    except KeyError:
        raise BadUsage(f"there is no table {name!r}; {nearest(name, all_tables())}") from None
