"""A recording, opened: its facts, and its tables as Arrow, pandas or SQL.

In: a folder. Out: Recording and TableView. Never: writes, or believes what a file says about itself.

Opening reads recording.json only. The parts of a table are checked when they are first asked for: there, no symbolic
link, as long as listed, a whole Parquet file with the listed columns and rows. Their sha256 is for `verify` to read.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import cards
from ..completion import looks_up
from ..errors import BadUsage, MissingTable, RecordingError, nearest
from ..probes import table_probe
from ..shipped import shipped
from ..tables import all_tables
from ..units import format_bytes, format_count, format_duration, format_utc
from . import manifest as m
from . import parquet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def open(path: str | Path) -> Recording:
    """A recording by its folder; or, where there is no such folder, one that comes with SantaBPF by its name.

    Raises: RecordingError when it is none or is broken, NewerFormat when a newer SantaBPF wrote it.
    """
    folder = Path(path)
    if not os.path.lexists(folder):
        rest = folder.parts[1:] if folder.parts[:1] == ("recordings",) else folder.parts
        bundled = shipped("recordings")
        if len(rest) == 1 and (bundled / rest[0] / m.FILE).is_file():
            folder = bundled / rest[0]
        else:
            known = {f.parent.name for place in (bundled, folder.parent) for f in place.glob(f"*/{m.FILE}")}
            raise RecordingError(f"{path}: there is no such recording; {nearest(folder.name, known)}")
    return Recording(folder)


@looks_up
class Recording:
    """What was recorded on one or more nodes. rec["exec"], or rec.exec, is a table; rec.sql() asks all of them."""

    def __init__(self, folder: Path, *, locked: bool = False) -> None:
        self.path = folder
        self._checked: set[m.Part] = set()
        self._load(locked)

    def refresh(self) -> None:
        """See what was written since; parts that were checked are not checked again. Raises as open()."""
        self._load(False)

    def _load(self, locked: bool) -> None:
        # asked first: a writer that ends now leaves a list that is whole. With `locked` it is we who hold the lock.
        live = not locked and _is_being_written(self.path)
        self._manifest = m.load(self.path, self._checked)
        self._checked &= {part for table in self._manifest.tables.values() for part in table.parts}
        if self._manifest.state == "recording" and not live:
            self._manifest.state = "interrupted"
        self._ignored: list[str] = []
        if self._manifest.state == "interrupted":
            self._recover()
        for name in self.tables:  # as attributes too, unless the name is taken: people type a dot and press Tab
            if not hasattr(type(self), name) and isinstance(self.__dict__.get(name, self[name]), TableView):
                self.__dict__[name] = self[name]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def state(self) -> str:  # one of m.STATES; jedi, which completes what people type, falls over a Literal here
        """recording: somebody is writing it now; complete; interrupted: it ended before its time."""
        return self._manifest.state

    @property
    def nodes(self) -> list[str]:
        """Labels of the nodes; their facts are in info["nodes"]."""
        return sorted(self._manifest.nodes)

    @property
    def tables(self) -> list[str]:
        """Names of the tables, with rows or without."""
        return sorted(self._manifest.tables)

    @property
    def probes(self) -> dict[str, dict[str, Any]]:
        """name -> params, state (on, partial, failed), why."""
        return self._manifest.probes

    @property
    def window(self) -> tuple[int, int]:
        """From when to when it was recorded, UTC ns: the seconds in `coverage`, or else the rows that there are."""
        if self._manifest.window is not None:
            return self._manifest.window
        parts = [p for t in self._manifest.tables.values() for p in t.parts if p.ts_min is not None]
        if not parts:
            return self._manifest.created_ns, self._manifest.created_ns
        return min(p.ts_min or 0 for p in parts), max(p.ts_max or 0 for p in parts)

    @property
    def info(self) -> dict[str, Any]:
        """What recording.json says about the recording, without the list of parts."""
        r = self._manifest
        start, end = self.window
        return {
            "format": m.FORMAT, "santabpf": r.santabpf, "state": r.state, "created_ns": r.created_ns,
            "window": {"start_ns": start, "end_ns": end}, "nodes": r.nodes, "probes": r.probes,
            "scenarios": r.scenarios, "scope": r.scope, "notes": r.notes + self._ignored,
            "drill": r.drill,
            "tables": {t.name: {"schema": t.schema, "rows": t.rows} for t in r.tables.values()},
        }

    def __contains__(self, table: str) -> bool:
        return table in self._manifest.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __getitem__(self, table: str) -> TableView:
        if table not in self._manifest.tables:
            probe = table_probe(table)
            if probe is not None:
                mend = f"Record it with: santabpf record NODE --probe {probe.name}"
            else:
                mend = f"No probe records that; {nearest(table, {*all_tables(), *self.tables})}"
            raise MissingTable(f"recording {self.name} has no {table!r} (it has: {', '.join(self.tables)}). {mend}")
        return TableView(self, self._manifest.tables[table])

    def parts(self, table: str) -> list[m.Part]:
        """The Parquet files of a table, checked, in the order of node and time. Raises MissingTable, RecordingError."""
        if self.state == "recording" and not all(part.path.exists() for part in self[table]._table.parts):
            self.refresh()  # some were put together since
        listed = self[table]._table
        parts = sorted(listed.parts, key=lambda part: (part.node, part.path.name))
        self.check_declaration(table)
        for part in parts:
            if part not in self._checked:
                parquet.check_part(part, listed)
                self._checked.add(part)
        return parts

    def check_declaration(self, table: str) -> None:
        """Where recording.json says that a table is the one we know, its columns must be those that we know.

        Raises RecordingError. A table of another schema, of a newer or older SantaBPF, is read as it is.
        """
        listed, known = self[table]._table, all_tables().get(table)
        if known is None or known.hash != listed.schema:
            return
        wanted = {c["name"]: c["type"] for c in m.declare(known.arrow, known.table, known.hash).columns}
        found = {c["name"]: c["type"] for c in listed.columns}
        for name in [*wanted, *found]:
            if found.get(name) != wanted.get(name):
                raise RecordingError(
                    f"{self.path / m.FILE}: column {name!r} of {table} is {found.get(name, 'missing')}, "
                    f"but a table of schema {listed.schema} has it as {wanted.get(name, 'no column')}"
                )

    def sql(self, query: str, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Ask all tables in DuckDB's SQL; each has the columns node and second besides its own. Raises QueryFailed."""
        from ..replay.query import run

        return frame(run(self, query, params))

    def _recover(self) -> None:
        """Add the parts that an interrupted writer had finished but not listed.

        Coverage is looked for first. It is written last, so where its part is there, all others of that flush are too.
        What is no newer than what is listed was put together with others, or was about to be.
        """
        tables = self._manifest.tables
        for name in sorted(tables, key=lambda name: name != "coverage"):
            for node in self._manifest.nodes:
                newest = max((part.segments[1] for part in tables[name].parts if part.node == node), default=-1)
                for path in sorted((self.path / name / f"node={node}").glob("part-*.parquet")):
                    first, last = m.segments(path.name) or (-1, -1)
                    if first == last and first > newest:
                        self._take(path, node, tables[name])

    def _take(self, path: Path, node: str, table: m.Table) -> None:
        try:
            part = parquet.describe(path, node, table)
        except RecordingError as exc:
            self._ignored.append(f"ignored, not listed in recording.json: {exc}")
            return
        table.parts.append(part)
        if table.name == "coverage" and part.ts_max is not None:
            start, end = self._manifest.window or (part.ts_min or 0, part.ts_max)
            self._manifest.window = start, max(end, part.ts_max)

    def __repr__(self) -> str:
        start, end = self.window
        return (
            f"<Recording {printable(self.name)}: {self.state}, {format_utc(start)} UTC, "
            f"{format_duration(end - start)}, {', '.join(self.nodes) or 'no node'}, {len(self.tables)} tables>"
        )

    def __str__(self) -> str:
        return str(cards.recording(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.recording(self)._repr_mimebundle_(include, exclude)

    def _ipython_key_completions_(self) -> list[str]:
        return self.tables


class TableView:
    """One table of a recording; nothing is read until arrow() or df() is called, or a column asked for.

    rec.exec["comm"], or rec.exec.comm where the name is not taken, is a column as a pandas Series.
    """

    def __init__(self, recording: Recording, table: m.Table) -> None:
        self.recording, self._table = recording, table

    @property
    def name(self) -> str:
        """The table's name."""
        return self._table.name

    @property
    def description(self) -> str:
        """What one row is."""
        return self._table.description

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns with unit and description in their metadata; `node`, out of the folder's name, comes last."""
        import pyarrow as pa

        node = {"unit": "none", "description": "the node's label"}
        return self._table.arrow.append(pa.field("node", pa.string(), metadata=node))

    @property
    def rows(self) -> int:
        """How many rows, by recording.json."""
        return self._table.rows

    @property
    def parts(self) -> list[m.Part]:
        """Its Parquet files, checked."""
        return self.recording.parts(self.name)

    def arrow(self, columns: list[str] | None = None) -> pa.Table:
        """Rows as an Arrow table, all columns or these. Raises BadUsage, RecordingError."""
        import pyarrow as pa

        wanted = self.schema.names if columns is None else list(columns)
        for column in wanted:
            if column not in self.schema.names:
                raise BadUsage(f"table {self.name} has no column {column!r}; {nearest(column, self.schema.names)}")
        stored = [column for column in wanted if column != "node"]
        schema = pa.schema([self.schema.field(c) for c in wanted], metadata=self.schema.metadata)
        read = []
        for part in self.parts:
            rows = parquet.read_part(part, self._table, stored)
            if "node" in wanted:
                rows = rows.append_column("node", pa.repeat(pa.scalar(part.node), part.rows))
            read.append(pa.Table.from_arrays(rows.select(wanted).columns, schema=schema))
        return pa.concat_tables(read) if read else schema.empty_table()

    def df(self, columns: list[str] | None = None) -> pd.DataFrame:
        """Rows as a pandas frame; `time` comes first: ts_ns as datetime64[ns, UTC]. Raises as arrow()."""
        return frame(self.arrow(columns))

    def __repr__(self) -> str:
        size = format_bytes(sum(part.bytes for part in self._table.parts))
        return f"<Table {self.name}: {format_count(self.rows)} rows, {size}; {', '.join(self._columns)}>"

    def __str__(self) -> str:
        return str(cards.table(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.table(self)._repr_mimebundle_(include, exclude)

    @property
    def _columns(self) -> list[str]:
        return [*(column["name"] for column in self._table.columns), "node"]

    def __getitem__(self, column: str) -> pd.Series[Any]:
        return self.df([column])[column]

    def __getattr__(self, name: str) -> pd.Series[Any]:
        if name.startswith("_") or name not in self._columns:
            raise AttributeError(f"table {self.name} has no column {name!r}; {nearest(name, self._columns)}")
        return self[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._columns})

    def _ipython_key_completions_(self) -> list[str]:
        return self._columns


def frame(rows: pa.Table) -> pd.DataFrame:
    """Arrow to pandas, exactly: whole numbers stay whole (Int64 where some are null), ts_ns is also given as `time`."""
    import pandas as pd
    import pyarrow as pa

    if "ts_ns" in rows.schema.names and "time" not in rows.schema.names and pa.types.is_int64(rows["ts_ns"].type):
        rows = rows.add_column(0, "time", rows["ts_ns"].cast(pa.timestamp("ns", "UTC")))
    masked = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    series = [
        column.to_pandas(types_mapper=masked.get if column.null_count and column.type in masked else None).rename(name)
        for name, column in zip(rows.schema.names, rows.columns, strict=True)
    ]
    return pd.concat(series, axis=1) if series else rows.to_pandas()


def printable(text: str) -> str:
    """Text whose control characters (colours, line breaks, right-to-left marks) are spelt out, not obeyed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_being_written(folder: Path) -> bool:
    """Does a Writer hold its lock on this folder?"""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    else:
        return False
    finally:
        os.close(fd)
