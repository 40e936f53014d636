"""Queries over a recording, run by DuckDB in a child process that can do nothing else.

In: a recording (its parts) and a SELECT. Out: Arrow. Never: lets a query write, read another file, reach the network,
change a setting, take more memory than allowed or longer than allowed.

One child serves many queries. One that dies, or has to be killed, raises QueryFailed; the next gets a new child.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import QueryFailed
from ..units import GIB, MIB, format_bytes
from . import sql as s
from .child import HEADER

if TYPE_CHECKING:
    import pyarrow as pa

    from ..recording import Recording

CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Limits:
    """What one query may take."""

    memory_bytes: int = 4 * GIB  # address space, on top of what the libraries map
    seconds: float = 60.0  # of wall time for one query
    answer_bytes: int = 2 * GIB  # what comes back
    kept_bytes: int = 4 * MIB  # what comes back where only some rows are kept: for people to read


class Rows(NamedTuple):
    """What a query gave: the rows that were kept, and how many there were."""

    table: pa.Table
    total: int


class Query:
    """Asks one recording. Use it as a context manager, or close() it: it holds a process.

    Each table is a view with the columns `node` and `second` (UTC ns, start of the second) besides its own; `nodes`
    has a row for each node: node, cpus, memory_bytes, page_bytes, clock_tick_hz, cgroup_version, kernel, machine,
    is_scoped, scope_cgroup (what the paths of the cgroups in a scope hold).
    """

    def __init__(self, recording: Recording | None, limits: Limits | None = None) -> None:
        self.recording, self.limits = recording, limits or Limits()
        self._child: subprocess.Popen[bytes] | None = None
        self._schemas: dict[str, pa.Schema] = {}
        self._trees: dict[str, s.Uses] = {}

    # ---------------------------------------------------------------------------------------------- what there is

    @cached_property
    def _declared(self) -> dict[str, pa.Schema]:
        from ..tables import all_tables

        return {name: schema.arrow for name, schema in all_tables().items()}

    def schema(self, table: str) -> pa.Schema:
        """The columns of a table."""
        if table not in self._schemas:
            told = self._declared.get(table) if self.recording is None else self.recording[table].schema
            assert told is not None
            for field in self._later(table, told):
                told = told.append(field)
            self._schemas[table] = told
        return self._schemas[table]

    def _later(self, table: str, told: pa.Schema) -> list[pa.Field]:
        """Columns that the table has got since this was recorded: null in all its rows."""
        return [field for field in self._declared.get(table, ()) if field.name not in told.names]

    @property
    def tables(self) -> dict[str, list[str]]:
        """name -> columns of all tables that can be asked."""
        names = self._declared if self.recording is None else self.recording.tables
        found = {n: [c for c in self.schema(n).names if c != "node"] + ["node", "second"] for n in names}
        return found | {
            "nodes": [
                "node",
                "cpus",
                "memory_bytes",
                "page_bytes",
                "clock_tick_hz",
                "cgroup_version",
                "kernel",
                "machine",
                "is_scoped",
                "scope_cgroup",
            ]
        }

    def uses(self, query: s.Composed) -> s.Uses:
        """What a query reads and calls. Raises QueryFailed with file and line where it is no SELECT."""
        if query.sql not in self._trees:
            head, _ = self._ask({"parse": query.sql}, query)
            self._trees[query.sql] = s.uses(head["tree"])
        return self._trees[query.sql]

    # ------------------------------------------------------------------------------------------------------- asking

    def run(
        self,
        query: s.Composed | str,
        params: Mapping[str, Any] | None = None,
        *,
        from_ns: int | None = None,
        to_ns: int | None = None,
        whole: frozenset[str] = frozenset(),
        optional: Collection[str] = (),
        keep: int | None = None,
    ) -> Rows:
        """Run one SELECT.

        params         values for its $names; those it doesn't name are left out
        from_ns, to_ns the views show only rows whose second lies in here; those in `whole` show all
        optional       tables that have no rows where the recording does not have them
        keep           hand back this many rows at most; they are all counted

        Raises QueryFailed: bad SQL, anything but one SELECT, too much memory, too long.
        """
        if isinstance(query, str):
            text = s.Text(query)
            query = s.Composed(query, [(text, n) for n in range(1, query.count("\n") + 2)])
        views = {
            name: self._view(name, *((None, None) if name in whole else (from_ns, to_ns)))
            for name in self.tables
            if _names(query.sql, name)
        }
        views |= {name: s.view(self._declared[name], ()) for name in optional if name not in self.tables}
        given, rest = dict(params or {}), query.rest or query
        shared = {name: (_key(name, part, given, views), part.sql) for name, part in query.shared.items()}
        request = {"views": views, "shared": shared, "sql": rest.sql, "params": given, "keep": keep}
        most = self.limits.answer_bytes if keep is None else self.limits.kept_bytes
        head, rows = self._ask(request, query, most)
        import pyarrow as pa

        with pa.ipc.open_stream(rows) as stream:
            return Rows(stream.read_all(), head["count"])

    def _view(self, table: str, from_ns: int | None, to_ns: int | None) -> str:
        recording = self.recording
        if table == "nodes":
            info: Mapping[str, Any] = {} if recording is None else recording.info
            return s.facts_view(info.get("nodes") or {}, info.get("scope"))
        schema = self.schema(table)
        parts: list[s.Part] = []
        first, last = sys.maxsize, -sys.maxsize
        for part in [] if recording is None else recording.parts(table):
            if part.ts_min is None or part.ts_max is None or (from_ns is not None and part.ts_max < from_ns):
                continue
            if to_ns is not None and "span_ns" not in schema.names and part.ts_min >= to_ns:
                continue
            parts.append(s.Part(os.path.abspath(part.path), part.node))
            first, last = min(first, part.ts_min), max(last, part.ts_max)
        if "span_ns" not in schema.names:  # limits that keep all rows are left out: the same rows, the same view
            from_ns = None if from_ns is None or first >= from_ns else from_ns
            to_ns = None if to_ns is None or last < to_ns else to_ns
        later = [] if recording is None else self._later(table, recording[table].schema)
        return s.view(schema, parts, from_ns, to_ns, later)

    def _ask(self, request: dict[str, Any], query: s.Composed, most: int = 0) -> tuple[dict[str, Any], bytes]:
        line = json.dumps(request).encode() + b"\n"
        head, rows = self._exchange(line, query, most)
        if "error" not in head:
            return head, rows
        message = str(head["error"])
        if head["kind"] == "memory":
            self.close()  # what it took it may not give back
            raise QueryFailed(
                f"{s.where(query)}the query took more memory than it may ({format_bytes(self.limits.memory_bytes)})"
            )
        if head["kind"] == "refused":
            raise QueryFailed(f"{s.where(query)}refused: {message.splitlines()[0].removeprefix('Permission Error: ')}")
        failed = query.shared.get(str(head["in"])) or query.rest or query
        raise QueryFailed(s.explain(message, failed, self.tables))

    def _exchange(self, line: bytes, query: s.Composed, most: int) -> tuple[dict[str, Any], bytes]:
        """Send a request, read the answer, rows of `most` bytes; a child that takes too long or dies is replaced."""
        child = self._started()
        assert child.stdin is not None
        deadline = time.monotonic() + self.limits.seconds
        try:
            child.stdin.write(line)
            child.stdin.flush()
            text_bytes, rows_bytes = HEADER.unpack(self._read(child, HEADER.size, deadline))
            if rows_bytes > most:
                raise QueryFailed(
                    f"{s.where(query)}the answer is {format_bytes(rows_bytes)} long, more than the "
                    f"{format_bytes(most)} allowed"
                )
            return json.loads(self._read(child, text_bytes, deadline)), self._read(child, rows_bytes, deadline)
        except TimeoutError:
            self.close()
            raise QueryFailed(
                f"{s.where(query)}the query took longer than {self.limits.seconds:g} s and was stopped"
            ) from None
        except (EOFError, BrokenPipeError):
            self.close()
            raise QueryFailed(
                f"{s.where(query)}the query ended its process; most likely it took more memory than it may "
                f"({format_bytes(self.limits.memory_bytes)})"
            ) from None
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _read(child: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
        assert child.stdout is not None
        fd, out = child.stdout.fileno(), bytearray()
        while len(out) < count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(fd, min(count - len(out), MIB))
            if not chunk:
                raise EOFError
            out += chunk
        return bytes(out)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            folder = "/nonexistent" if self.recording is None else os.path.abspath(self.recording.path)
            self._child = subprocess.Popen(
                [sys.executable, "-P", str(CHILD), folder, str(self.limits.memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                    "LC_ALL": "C.UTF-8",
                    "HOME": "/nonexistent",
                },
                start_new_session=True,
            )
        return self._child

    def close(self) -> None:
        """End the child, whatever it is doing."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def __enter__(self) -> Query:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _names(sql: str, table: str) -> bool:
    return re.search(rf"\b{table}\b", sql, re.IGNORECASE) is not None


def _key(name: str, view: s.Composed, params: dict[str, Any], tables: dict[str, str]) -> str:
    """Changes with all that the rows of a shared view depend on: its SQL, the parameters, and what its tables show."""
    seen = {table: rows for table, rows in tables.items() if _names(view.sql, table)}
    used = {key: value for key, value in params.items() if f"${key}" in view.sql}
    return hashlib.sha256(json.dumps([name, view.sql, seen, used], sort_keys=True).encode()).hexdigest()


def run(
    recording: Recording, query: str, params: Mapping[str, Any] | None = None, limits: Limits | None = None
) -> pa.Table:
    """One query over a recording, all rows. Raises QueryFailed."""
    with Query(recording, limits) as asked:
        return asked.run(query, params).table
