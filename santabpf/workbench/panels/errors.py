"""Which system calls failed, for whom, and with which error."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from ...display.words import Col, Table, Words
from ...units import format_count
from ..part import Part, left, not_recorded, only_recorded, sentence, unreached
from ..view import Filter

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "files", 1
TITLE = "Failed calls"
ABOUT = "Without errors that only say: not yet, or again. Click a row to see only its process."
MOST_ROWS = 15
#: table -> call, error and count, and what else keeps its rows; each has the columns of a process.
_SOURCES = {
    "syscalls": ("call", "error", "sum(errors)", "NOT is_ordinary", "comm"),
    "exec_failed": ("'execve'", "errno", "sum(tries)", "true", "comm"),
    "opens": ("'open'", "error", "count(*)", "error <> 0", "comm"),
    "fork_failed": ("call", "errno", "count(*)", "true", "comm"),
    "file_io_slow": ("op", "error", "count(*)", "error <> 0", "comm"),
    "exhausted": ("call", "error", "sum(errors)", "true", "NULL::varchar"),
}


def parts(investigation: Investigation) -> list[Part]:
    """One table; a click on a row filters by the process."""
    lens, view = investigation.lens, investigation.view
    tables = [table for table in _SOURCES if lens.has(table)]
    if not tables:
        return [sentence(not_recorded("failed system calls", "syscalls", "opens"))]
    selects = [
        f"SELECT node, tgid::bigint AS tgid, start_ns, {comm} AS comm, {call} AS call, abs({error})::int AS error, "
        f"({count})::bigint AS errors FROM [{table}] WHERE {keep} GROUP BY ALL"
        for table, (call, error, count, keep, comm) in ((t, _SOURCES[t]) for t in tables)
    ]
    found = lens.ask(view, f"""SELECT node, tgid, start_ns, max(comm) AS comm, call, error, max(errors) AS errors,
        count(*) OVER () AS total FROM ({' UNION ALL '.join(selects)}) GROUP BY node, tgid, start_ns, call, error
        ORDER BY errors DESC, call, error, node, tgid, start_ns LIMIT {MOST_ROWS}""").to_pylist()
    largest = max((row["errors"] for row in found), default=1)
    rows: list[list[Any]] = [
        [row["comm"] or "(not known)", "–" if row["tgid"] is None else row["tgid"], row["call"], _name(row["error"]),
         (format_count(row["errors"]), row["errors"] / largest)] for row in found]
    notes = [f"{format_count(found[0]['total'] - MOST_ROWS)} more are not shown."] \
        if found and found[0]["total"] > MOST_ROWS else []
    unseen = only_recorded(lens, "failed calls", tables, "syscalls")
    notes += [said for said in (unreached(lens, view, *tables), unseen) if said]
    columns = [Col("process", "code"), Col("pid", "number"), Col("call", "code"), Col("error"), Col("times", "bar")]
    empty = left(view, f"no call failed in this window. {unseen}").strip()
    table_ = Table(columns, rows, note=" ".join(notes), empty=empty)
    picks = [Filter("process", row["comm"] or "", row["node"], row["tgid"], row["start_ns"]) for row in found]
    return [Part(Words(table_), picks)]


def _name(error: int | None) -> str:
    """2 -> ENOENT: No such file or directory"""
    if error is None:
        return "not known"
    return f"{errno.errorcode.get(error, error)}: {os.strerror(error)}"
