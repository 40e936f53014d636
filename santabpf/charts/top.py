"""Top commands: which programs ran, how often, how much CPU they took, and who started them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..display.escape import shorten
from ..display.words import Col, Table
from ..units import format_count, format_duration, format_ratio
from .look import Tabular, arrow

MOST_ROWS = 15


class Row(NamedTuple):
    """One command: all processes that ended under this name."""

    command: str
    processes: int
    cpu_ns: int | None  # None: ends were not recorded
    cpu_ratio: float  # of the CPU of all processes that ended
    median_lifetime_ns: int | None
    failed: int | None  # ended by a signal, or with a status other than 0
    started_by: str  # the most frequent parent
    starters: int  # how many different parents
    example: str  # its most frequent command line, '' where starts were not recorded


class Info(NamedTuple):
    """The commands that took the most CPU, first; a note about the others."""

    rows: tuple[Row, ...]
    note: str


def info(exec_: Tabular | None, exit_: Tabular | None) -> Info:
    """Commands by CPU time: the table of processes that ended, grouped by comm.

    exec_: comm, pcomm, argv. exit_: comm, pcomm, cpu_ns, lifetime_ns, code, signal. Without exits, starts are counted
    and CPU is None. A process that outlives the recording is in neither column: see process_cpu for it. Ties are
    broken by count, then by name. Empty tables: no rows and a note.
    """
    starts = None if exec_ is None else arrow(exec_)
    ends = None if exit_ is None else arrow(exit_)
    base = ends if ends is not None and ends.num_rows else starts
    if base is None or base.num_rows == 0:
        return Info((), "No process started or ended while recording.")
    parents = _most_frequent(base, "pcomm")
    examples = _examples(starts)
    rows = [_row(group, parents, examples) for group in _groups(base).to_pylist()]
    whole = sum(row.cpu_ns or 0 for row in rows)
    rows = [row._replace(cpu_ratio=(row.cpu_ns or 0) / whole if whole else 0.0) for row in rows]
    rows.sort(key=lambda row: (-(row.cpu_ns or 0), -row.processes, row.command))
    rest = rows[MOST_ROWS:]
    note = "" if base is ends else "Ends were not recorded: starts are counted, and CPU is not known. "
    if rest:
        note += f"{format_count(len(rest))} more commands with {format_count(sum(r.processes for r in rest))} processes"
        note += f" and {format_duration(sum(r.cpu_ns or 0 for r in rest))} of CPU are not shown." if whole else "."
    return Info(tuple(rows[:MOST_ROWS]), note.strip())


def _groups(table: pa.Table) -> pa.Table:
    """One row a command: count, and what the table knows of CPU, lifetime and failures."""
    wanted: list[tuple[Any, ...]] = [([], "count_all")]
    if "cpu_ns" in table.column_names:
        failed = pc.or_(pc.not_equal(table["code"], 0), pc.not_equal(table["signal"], 0))
        table = table.append_column("failed", pc.cast(failed, pa.int64()))
        wanted += [("cpu_ns", "sum"), ("lifetime_ns", "approximate_median"), ("failed", "sum")]
    return table.group_by("comm", use_threads=False).aggregate(wanted)


def _row(group: dict[str, Any], parents: dict[str, tuple[str, int]], examples: dict[str, str]) -> Row:
    command = group["comm"] or ""
    median = group.get("lifetime_ns_approximate_median")
    starter, starters = parents.get(command, ("", 0))
    return Row(command, group["count_all"], group.get("cpu_ns_sum"), 0.0, None if median is None else round(median),
               group.get("failed_sum"), starter, starters, examples.get(command, ""))


def _most_frequent(table: pa.Table, column: str) -> dict[str, tuple[str, int]]:
    """comm -> (its most frequent value of the column, how many different ones)."""
    if column not in table.column_names:
        return {}
    counted = table.group_by(["comm", column], use_threads=False).aggregate([([], "count_all")]).to_pylist()
    best: dict[str, tuple[str, int]] = {}
    for row in sorted(counted, key=lambda row: (-row["count_all"], row[column] or "")):
        name, number = best.get(row["comm"] or "", (row[column] or "", 0))
        best[row["comm"] or ""] = (name, number + 1)
    return best


def _examples(starts: pa.Table | None) -> dict[str, str]:
    if starts is None or starts.num_rows == 0 or "argv" not in starts.column_names:
        return {}
    lines = pc.binary_join(starts["argv"].combine_chunks(), " ")
    return {comm: line for comm, (line, _) in
            _most_frequent(pa.table({"comm": starts["comm"], "line": lines}), "line").items()}


def table(info: Info) -> Table:
    """The commands as a table, each CPU cell with a bar of its share."""
    timed = any(row.cpu_ns is not None for row in info.rows)
    columns = [Col("command", "code"), Col("processes", "number")]
    if timed:
        columns += [Col("CPU", "bar"), Col("share", "number"), Col("typical life", "number"), Col("failed", "number")]
    columns += [Col("started by", "code"), Col("most often as", "code")]
    largest = max((row.cpu_ns or 0 for row in info.rows), default=0) or 1
    rows = []
    for row in info.rows:
        cells: list[Any] = [row.command, format_count(row.processes)]
        if timed:
            cells += [(format_duration(row.cpu_ns or 0), (row.cpu_ns or 0) / largest), format_ratio(row.cpu_ratio),
                      "" if row.median_lifetime_ns is None else format_duration(row.median_lifetime_ns),
                      format_count(row.failed) if row.failed else "–"]
        others = f" +{row.starters - 1}" if row.starters > 1 else ""
        rows.append([*cells, row.started_by + others, shorten(row.example, 90)])
    return Table(columns, rows, note=info.note if info.rows else "",
                 empty=info.note or "No process started or ended while recording.")
