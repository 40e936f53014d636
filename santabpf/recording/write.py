"""Arrow batches to a recording on the disk, whole at every moment.

In: batches of declared tables, in the order they were decoded. Out: a folder that `open` reads, also after kill -9.
Never: an existing folder, a part half-written under its own name, a second shown as covered before its rows are there.

Every segment_s the rows in memory become one part for each node and table: first all other tables, then `coverage`,
then recording.json. Whoever reads coverage of a second therefore finds all its rows. While it grows, small parts are
put together (see merge.py); those whose rows are in a larger one stay for a minute, for whoever is reading them. Use it
from one thread at a time.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import BadUsage, RecordingError, nearest
from ..probes import get_probe
from ..tables import own_tables, table_schema
from . import parquet
from .manifest import FILE, NODE, NODE_FACTS, STATES, Manifest, Part, State, Table, declare, parse, type_name
from .merge import Merging

if TYPE_CHECKING:
    import pyarrow as pa

INFO = ("created_ns", "nodes", "probes", "scenarios", "scope", "notes", "drill")
#: A segment is closed early when this much is in memory.
BUFFER_BYTES = 128 << 20
#: Parts that are on their way to the disk at once. A file system commits together what is fsynced together: 14 parts
#: took 5 ms side by side and 110 ms one after another (ext4 on a virtual disk, 2026-11).
WRITERS = 16
#: For so long a part stays there whose rows are in a larger one: who has its name may be about to read it.
KEEP_S = 60.0


def _declare(table: str | Table) -> Table:
    """A table without parts, by its name or like another."""
    if isinstance(table, Table):
        return Table(table.name, table.schema, table.description, table.columns)
    schema = table_schema(table)
    return declare(schema.arrow, table, schema.hash)


@dataclass(eq=False)
class _Segment:
    """The rows of one part to be; its name is given when it is sealed, so that writing it again changes nothing."""

    node: str
    table: str
    batches: list[pa.RecordBatch] = field(default_factory=list)
    number: int = 0


class Writer:
    """Writes one recording. A context manager: left by an exception, the recording is `interrupted`, else `complete`.

    info    nodes (label -> facts), probes (name -> params, state, why), and if wanted created_ns, scenarios, scope and
            notes; `update`, `add_node` and `note` change them later
    tables  names, or the tables of another recording; by default all that the probes fill. Those about the recording
            itself (loss, gaps, coverage, clock, receipt) are always there.
    Raises BadUsage where path exists.
    """

    def __init__(
        self, path: str | Path, *, info: Mapping[str, Any], segment_s: float = 5.0,
        tables: Iterable[str | Table] | None = None, buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self.path = Path(path)
        self._segment_s, self._buffer_bytes = segment_s, buffer_bytes
        if tables is None:
            tables = [table.name for name in info.get("probes", {}) for table in get_probe(name).tables]
        declared = {t.name: t for t in (_declare(t) for t in [*own_tables(), *tables])}
        self._manifest = Manifest(__version__, "recording", time.time_ns(), None, {}, {}, [], None, [], declared)
        self._set(info)
        self._open: dict[tuple[str, str], _Segment] = {}
        self._sealed: list[_Segment] = []
        self._merging = Merging()
        self._replaced: deque[tuple[float, Path]] = deque()  # since when, by the monotonic clock
        self._number, self._held = 1, 0
        self.rows = 0  # appended so far, on the disk or not
        self._closed = False
        self._lock = self._create()
        self._due = time.monotonic() + segment_s

    def _create(self) -> int:
        """Make the folder with its recording.json in one step, and hold a lock on it for as long as we write."""
        if os.path.lexists(self.path):
            raise BadUsage(f"{self.path}: exists already, and a recording is never overwritten; choose another name")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        except OSError as exc:
            raise RecordingError(f"{self.path}: cannot be made: {exc.filename}: {exc.strerror}") from exc
        lock = os.open(beside, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.chmod(beside, 0o755)
            parquet.write_file(beside / FILE, self._manifest.dump().encode())
            os.rename(beside, self.path)
            parquet.sync_folder(self.path.parent)
        except BaseException as exc:
            os.close(lock)
            shutil.rmtree(beside, ignore_errors=True)
            if isinstance(exc, OSError):
                if exc.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise BadUsage(f"{self.path}: was made by someone else just now; choose another name") from exc
                raise RecordingError(f"{self.path}: cannot be made: {exc.strerror}") from exc
            raise
        return lock

    def update(self, **info: Any) -> None:
        """Change nodes, probes, scenarios, scope, notes or drill; on the disk with the next flush."""
        self._set(info)

    def add_node(self, label: str, hello: Mapping[str, Any]) -> None:
        """A node that rows will come from; of what its elf said, the facts are kept and the host name is not."""
        facts = {key: hello[key] for key in NODE_FACTS if key in hello}
        self._set({"nodes": self._manifest.nodes | {label: facts}})

    @property
    def nodes(self) -> list[str]:
        """Labels of the nodes so far."""
        return sorted(self._manifest.nodes)

    def note(self, text: str) -> None:
        """Add a sentence to the recording's notes."""
        self._manifest.notes.append(text)

    def _set(self, info: Mapping[str, Any]) -> None:
        for key, value in info.items():
            if key not in INFO:
                raise BadUsage(f"a recording's info has no {key!r}; {nearest(key, INFO)}")
            setattr(self._manifest, key, value.copy() if isinstance(value, (dict, list)) else value)
        for label, facts in self._manifest.nodes.items():
            if not NODE.fullmatch(label):
                raise BadUsage(f"{label!r} is no node label; it must be like web-1: a-z, 0-9 and -, a letter first")
            for key in facts.keys() - NODE_FACTS.keys():
                raise BadUsage(f"node {label}: {key!r} is no fact that a recording keeps; {nearest(key, NODE_FACTS)}")
        parse(self._manifest.dump().encode(), self.path)  # what we write, we could read

    def append(self, node: str, table: str, rows: pa.RecordBatch) -> None:
        """Add rows; every segment_s, or when much is in memory, all go to the disk. Raises BadUsage, RecordingError."""
        if self._closed:
            raise BadUsage(f"{self.path}: this recording is closed")
        if node not in self._manifest.nodes:
            raise BadUsage(f"{self.path}: there is no node {node!r}; {nearest(node, self._manifest.nodes)}")
        if table not in self._manifest.tables:
            raise BadUsage(f"{self.path}: no probe declares {table!r}; {nearest(table, self._manifest.tables)}")
        self._check(table, rows)
        if rows.num_rows:
            self._open.setdefault((node, table), _Segment(node, table)).batches.append(rows)
            self._held += rows.nbytes
            self.rows += rows.num_rows
        if time.monotonic() >= self._due or self._held >= self._buffer_bytes:
            self.flush()

    def _check(self, table: str, rows: pa.RecordBatch) -> None:
        wanted = {c["name"]: c["type"] for c in self._manifest.tables[table].columns}
        found = {column.name: type_name(column.type) for column in rows.schema}
        if found != wanted or rows.schema.names != list(wanted):
            wrong = next((n for n in [*wanted, *found] if found.get(n) != wanted.get(n)), "in their order")
            raise BadUsage(
                f"{self.path}: rows for {table!r} differ from its declaration in column {wrong}: "
                f"{found.get(wrong, 'missing')}, not {wanted.get(wrong, 'known')}"
            )
        if rows.column("ts_ns").null_count:
            raise BadUsage(f"{self.path}: rows for {table!r} hold a null in ts_ns")

    def flush(self) -> None:
        """Put all rows on the disk: other tables, then coverage, then recording.json. Raises RecordingError.

        After an error or Ctrl-C in its middle it can be called again: a part is then written over with the same rows.
        """
        self._seal()
        for last in (False, True):
            self._write_all([segment for segment in self._sealed if (segment.table == "coverage") == last])
        self._list()
        self._merge()
        self._due = time.monotonic() + self._segment_s

    def _seal(self) -> None:
        segments = sorted(self._open.values(), key=lambda s: (s.table, s.node))
        for segment in segments:
            segment.number = self._number
        self._sealed, self._open, self._number, self._held = self._sealed + segments, {}, self._number + 1, 0

    def _write_all(self, segments: list[_Segment]) -> None:
        """Write parts side by side; return, or raise, when the last is done."""
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="part") as pool:
            for segment, part in zip(segments, pool.map(self._write, segments), strict=True):
                parts = self._manifest.tables[segment.table].parts
                if parts and parts[-1].path == part.path:
                    parts.pop()  # the same rows, written again after an interruption
                parts.append(part)
                self._merging.add(segment.table, part)
                if segment.table == "coverage":
                    self._widen(segment.batches)
                if segment in self._sealed:
                    self._sealed.remove(segment)

    def _write(self, segment: _Segment) -> Part:
        import pyarrow as pa

        schema = self._manifest.tables[segment.table].arrow
        rows = pa.Table.from_batches(segment.batches) if segment.batches else schema.empty_table()
        for folder in (self.path / segment.table, self.path / segment.table / f"node={segment.node}"):
            parquet.make_folder(folder)
        path = folder / f"part-{segment.number:06d}.parquet"
        return parquet.write_part(path, segment.node, pa.Table.from_arrays(rows.columns, schema=schema))

    def _merge(self) -> None:
        """Put one run of small parts together, if one is long enough; remove those that were long ago."""
        import pyarrow as pa

        while self._replaced and self._replaced[0][0] < time.monotonic() - KEEP_S:
            self._replaced.popleft()[1].unlink(missing_ok=True)
        run = self._merging.take()
        if run is None:
            return
        table, first = self._manifest.tables[run.table], run.parts[0]
        rows, path = pa.concat_tables([parquet.read_part(part, table) for part in run.parts]), first.path
        self._replaced.append((math.inf, path.with_name(run.name)))  # until it is listed
        merged = parquet.write_part(path.with_name(run.name), first.node, rows)
        gone = set(run.parts)
        table.parts = [merged if part == first else part for part in table.parts if part == first or part not in gone]
        self._replaced.pop()
        self._replaced += [(time.monotonic(), part.path) for part in run.parts]
        self._merging.add(run.table, merged, run.level)
        self._list()

    def _widen(self, coverage: list[pa.RecordBatch]) -> None:
        """The window runs from the start of the first second that was watched to the end of the last."""
        for row in (row for batch in coverage for row in batch.select(["ts_ns", "span_ns"]).to_pylist()):
            start, end = row["ts_ns"] - (row["span_ns"] or 0), row["ts_ns"]
            old = self._manifest.window or (start, end)
            self._manifest.window = min(start, old[0]), max(end, old[1])

    def _list(self) -> None:
        parquet.write_file(self.path / FILE, self._manifest.dump().encode())

    def close(self, state: State = "complete") -> None:
        """Flush, give each table without rows one empty part, and write the state. Raises RecordingError.

        Where the disk is full, what was written stays, and the recording reads as interrupted.
        """
        if state not in STATES[1:]:
            raise BadUsage(f"a recording is closed as complete or interrupted, not {state!r}")
        if self._closed:
            return
        try:
            self.flush()
            self._write_empty()
            self._manifest.state = state
            self._list()
            for _, path in self._replaced:
                with suppress(OSError):
                    path.unlink()
        finally:
            self._closed = True
            os.close(self._lock)

    def _write_empty(self) -> None:
        if self._manifest.nodes:
            empty = [name for name, table in self._manifest.tables.items() if not table.parts]
            self._write_all([_Segment(min(self._manifest.nodes), name, number=self._number) for name in empty])

    def discard(self) -> None:
        """Remove the recording, of which nothing came; only before close."""
        if self._closed:
            raise BadUsage(f"{self.path}: this recording is closed, so it is kept")
        self._closed = True
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close("complete" if exc is None else "interrupted")
        except RecordingError:
            if exc is None:
                raise  # otherwise the first error tells more, and the recording reads as interrupted anyway
