"""A larger recording out of a small real one of one node: its rows again and again, each time later.

In: a recording, how often. Out: a new recording. Never: invents a row.

Copies follow one another by whole seconds. What began inside the window (a process) begins again with each copy; what
was there before it is the same in all. Tables that are read once, at the start, are copied once.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..probes import table_probe
from ..recording import Recording, Writer
from ..tables import table_schema
from ..units import SECOND

BATCH_ROWS = 1 << 20


def grow(source: Recording, out: Path, copies: int, tables: list[str] | None = None) -> int:
    """Write the larger recording: all tables, or only these and `coverage`. Returns: its rows, our own tables apart."""
    names = [t for t in source.tables if t != "coverage" and (tables is None or t in tables)] + ["coverage"]
    start, end = source.window
    step = -(-end // SECOND) * SECOND - start // SECOND * SECOND
    info = {key: source.info[key] for key in ("nodes", "probes", "scenarios", "scope")}
    rows, read = 0, {name: _rows(source, name) for name in names}
    boot_start = start - _offset(source)
    with Writer(out, info=info, tables=[t for t in names if table_probe(t)]) as writer:
        for copy in range(copies):
            for name in names:
                if copy and _is_read_once(name):
                    continue
                later = _later(read[name], name, copy * step, boot_start)
                rows += later.num_rows if table_probe(name) else 0
                for batch in later.to_batches(BATCH_ROWS):
                    writer.append(source.nodes[0], name, batch)
    return rows


def _rows(source: Recording, table: str) -> pa.Table:
    """All rows of a table, in its own columns."""
    view = source[table]
    return view.arrow([name for name in view.schema.names if name != "node"])


def _offset(source: Recording) -> int:
    """UTC minus the clock by which the starts of processes are told, as the recording has it; 0 if it has not."""
    clock = source["clock"].arrow(["against", "offset_ns"])
    offsets = clock.filter(pc.equal(clock["against"], "node"))["offset_ns"]
    return int(offsets[0].as_py()) if len(offsets) else 0


def _is_read_once(table: str) -> bool:
    probe = table_probe(table)
    return probe is not None and any(t.name == table and t.when == "start" for t in probe.tables)


def _later(rows: pa.Table, table: str, by_ns: int, boot_start: int) -> pa.Table:
    """The same rows, so much later. boot_start: the start of the window as processes count, since boot."""
    if not by_ns:
        return rows
    for column in table_schema(table).columns:
        if column.kind not in ("clock", "start") or column.name not in rows.schema.names:
            continue
        old = rows[column.name]
        new = pc.add(old, by_ns)
        if column.kind == "start":
            new = pc.if_else(pc.greater_equal(old, boot_start), new, old)
        at = rows.schema.get_field_index(column.name)
        rows = rows.set_column(at, rows.schema.field(at), new)
    return rows
