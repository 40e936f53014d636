"""Rows of recordings that were made before their tables had all columns of today."""

from __future__ import annotations

import pyarrow as pa

from santabpf.tables import table_schema


def declared(name: str, rows: pa.Table) -> pa.Table:
    """The rows, without node, with all columns that the table has today: newer ones are null, as when it is read."""
    schema = table_schema(name).arrow
    has = set(rows.column_names)
    columns = [rows[f.name] if f.name in has else pa.nulls(len(rows), f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)
