"""What a view leaves of each table, as SQL: the rows of its window that have to do with its filters.

In: a recording and a view. Out: Arrow, aggregated by DuckDB in its locked-down process. Never: a table's events.

A filter reaches a table in one of two ways: the table has such a column itself (a peer's address), or it says whose
each row is, and then the rows of those processes count that had to do with it (the processes that talked to the peer).
Tables that can be reached in neither way are shown whole, and named, so that the panel can say so.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..display.escape import shorten
from ..display.flame import LONGEST_NAME
from ..replay import Query
from ..replay.stacks import WEIGHTS, Names, stacks
from .view import Filter, View

if TYPE_CHECKING:
    import pyarrow as pa

    from ..recording import Recording

#: The column that names a file, by table; a filter compares the last part of the path.
FILES = {
    "file_io": "name", "file_io_slow": "name", "faults": "name", "opens": "path", "exhausted_case": "path",
    "security_files": "path",
}
#: Columns that name the other end of a connection.
PEERS = ("remote_ip", "server_ip")
IDENTITY = ("tgid", "start_ns")
#: These are read once, when a recording starts; no window applies.
ALWAYS = frozenset({"processes"})


class Lens:
    """Asks a recording through a view. Thread-safe; it holds a process, so close() it."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._query, self._lock = Query(recording), threading.RLock()
        self._names: dict[str, Names] = {}  # of tables of stacks, once the recording is whole
        self._processes: dict[tuple[View, Filter], tuple[list[str], list[int], list[int]]] = {}

    def has(self, table: str) -> bool:
        """Whether the recording has this table."""
        return table in self.recording

    def missing(self, *tables: str) -> list[str]:
        """Those that the recording does not have."""
        return [table for table in tables if table not in self.recording]

    def reaches(self, table: str, a_filter: Filter) -> bool:
        """Whether the rows of a table tell if they have to do with a filter."""
        return self._predicate(table, a_filter) is not None or set(IDENTITY) <= self._columns(table)

    def unreached(self, view: View, *tables: str) -> list[str]:
        """Those of the tables that a filter of the view can't be applied to: they are shown whole."""
        return [t for t in tables if self.has(t) and not all(self.reaches(t, f) for f in view.filters)]

    def ask(self, view: View, sql: str, *, lives: bool = False, **params: Any) -> pa.Table:
        """One SELECT, in which [table] stands for the rows of that table that the view leaves. Raises QueryFailed.

        lives: of a process that had to do with a filter all rows are left, also those from before it had that name
        """
        names = [part.split("]")[0] for part in sql.split("[")[1:] if part.split("]")[0] in self.recording]
        with self._lock:
            for name in dict.fromkeys(names):
                rows, given = self._seen(view, name, params, lives)
                sql, params = sql.replace(f"[{name}]", rows), params | given
            return self._query.run(sql, params, from_ns=view.window.start_ns, to_ns=view.window.end_ns,
                                   whole=ALWAYS).table

    def folded(self, view: View, table: str) -> pa.Table:
        """The stacks of profile or offcpu that the view leaves. Raises MissingTable, QueryFailed."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        only = next((f for f in view.filters if f.kind == "process"), None)
        with self._lock:
            known = self._names.get(table) or Names.of(self.recording, table)
            if self.recording.state != "recording":
                self._names[table] = known
            found = stacks(self.recording, table, names=known, from_ns=view.window.start_ns, to_ns=view.window.end_ns,
                           node=only.node if only else None, tgid=only.tgid if only else None,
                           start_ns=only.start_ns if only else None, by=self._query)
        for a_filter in view.filters:
            if a_filter.kind == "frame":
                names = pc.unique(pc.list_flatten(found["frames"])).to_pylist()
                shown = {name: shorten(name, LONGEST_NAME) for name in names}  # as a click says it
                keep = [any(shown[name] == a_filter.value for name in frames) for frames in found["frames"].to_pylist()]
                found = found.filter(pa.array(keep, pa.bool_()))
            elif a_filter.kind == "command":
                found = found.filter(pc.equal(found["comm"], a_filter.value))
            elif a_filter.kind != "process":
                nodes, tgids, starts = self._whose(view, a_filter)
                wanted = set(zip(nodes, tgids, starts, strict=True))
                whose = zip(*(found[name].to_pylist() for name in ("node", *IDENTITY)), strict=True)
                found = found.filter(pa.array(np.fromiter((who in wanted for who in whose), dtype=np.bool_)))
        return found

    def _columns(self, table: str) -> set[str]:
        return set(self.recording[table].schema.names)

    def _seen(self, view: View, table: str, taken: dict[str, Any], lives: bool) -> tuple[str, dict[str, Any]]:
        """A sub-SELECT and its parameters."""
        parts: list[str] = []
        params: dict[str, Any] = {}
        for number, a_filter in enumerate(view.filters):
            whole = lives and set(IDENTITY) <= self._columns(table)
            own = None if whole else self._predicate(table, a_filter)
            if own is not None:
                for name, value in own[1].items():
                    params[f"f{number}_{name}"] = value
                parts.append(own[0].replace("$", f"$f{number}_"))
            elif set(IDENTITY) <= self._columns(table):
                whose = self._whose(view, a_filter)
                params |= dict(zip((f"f{number}_nodes", f"f{number}_tgids", f"f{number}_starts"), whose, strict=True))
                parts.append(f"(node, tgid, start_ns) IN (SELECT unnest($f{number}_nodes::varchar[]), "
                             f"unnest($f{number}_tgids::bigint[]), unnest($f{number}_starts::bigint[]))")
        return (f"(SELECT * FROM {table} WHERE {' AND '.join(parts)})" if parts else table), params

    def _predicate(self, table: str, a_filter: Filter) -> tuple[str, dict[str, Any]] | None:
        """What the table's own columns say of a filter; None where they say nothing."""
        columns = self._columns(table)
        if a_filter.kind == "process" and set(IDENTITY) <= columns:
            said = "node = $node AND tgid = $tgid AND start_ns IS NOT DISTINCT FROM $start"
            return said, {"node": a_filter.node, "tgid": a_filter.tgid, "start": a_filter.start_ns}
        if a_filter.kind == "command" and "comm" in columns:
            return "comm = $value", {"value": a_filter.value}
        if a_filter.kind == "file" and table in FILES:
            path = FILES[table]
            return f"(string_split({path}, '/'))[-1] = $value", {"value": a_filter.value.split("/")[-1]}
        if a_filter.kind == "peer":
            peer = next((column for column in PEERS if column in columns), None)
            return (f"{peer} = $value", {"value": a_filter.value}) if peer else None
        return None

    def _whose(self, view: View, a_filter: Filter) -> tuple[list[str], list[int], list[int]]:
        """The processes that had to do with it in the window: nodes, tgids, starts."""
        key = (View(view.window), a_filter)
        if key not in self._processes:
            self._processes[key] = self._find(*key)
        return self._processes[key]

    def _find(self, view: View, a_filter: Filter) -> tuple[list[str], list[int], list[int]]:
        if a_filter.kind == "frame":
            seen = [self.folded(View(view.window, (a_filter,)), table) for table in WEIGHTS if self.has(table)]
            rows = {who for table in seen
                    for who in zip(*(table[name].to_pylist() for name in ("node", *IDENTITY)), strict=True)}
        else:
            tables = [t for t in self.recording.tables
                      if set(IDENTITY) <= self._columns(t) and self._predicate(t, a_filter) is not None]
            wanted = View(view.window, (a_filter,))
            sql = " UNION ".join(f"SELECT node, tgid::bigint AS tgid, start_ns FROM [{t}]" for t in tables)
            found = self.ask(wanted, sql).to_pylist() if tables else []
            rows = {(row["node"], row["tgid"], row["start_ns"]) for row in found}
        known = sorted(row for row in rows if None not in row)
        return [n for n, _, _ in known], [t for _, t, _ in known], [s for _, _, s in known]

    def close(self) -> None:
        """End the process that runs DuckDB."""
        with self._lock:
            self._query.close()
