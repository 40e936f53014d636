"""Stacks of many processes, with a frame outermost that says whose they are.

In: stacks as flame_graph.py takes them, whose outermost frame is the thread's name, with the columns node, comm, tgid
and start_ns. Out: such a table, to be drawn. Never: a name that was not there.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .look import Tabular, arrow, ints, texts


def by_process(stacks: Tabular) -> pa.Table:
    """The stacks with `command [pid]` outermost, or `command (23 processes)` where several have that name.

    They stand together since a node may start thousands of processes of one name in a minute. Where there are several
    nodes, each has a frame of its own around them.
    """
    table = arrow(stacks)
    around = _around(table)
    if table.num_rows and len(around[0]) == 1:
        return _renamed(table, [name for (name,) in around])
    columns = {
        name: [[*first, *(rest or [])[1:]] for first, rest in zip(outer, table.column(name).to_pylist(), strict=True)]
        for name, outer in (("frames", around), ("kinds", [["thread"] * len(names) for names in around]),
                            ("modules", [[""] * len(names) for names in around]))
    }
    lists = pa.list_(pa.string())
    made = pa.table({name: pa.array(column, lists) for name, column in columns.items()})
    return made.append_column("value", table.column("value")).replace_schema_metadata(table.schema.metadata)


def whose(stacks: Tabular) -> dict[tuple[str, ...], list[tuple[str, str, int, int | None]]]:
    """The processes (node, comm, tgid, start_ns) that each outermost box of by_process stands for, by its names."""
    table = arrow(stacks).select(["node", "comm", "tgid", "start_ns"])
    table = table.group_by(table.column_names).aggregate([])
    out: dict[tuple[str, ...], list[tuple[str, str, int, int | None]]] = {}
    for names, who in zip(_around(table), zip(*(column.to_pylist() for column in table.columns), strict=True),
                          strict=True):
        out.setdefault(names, []).append(who)
    return out


def _around(table: pa.Table) -> list[tuple[str, ...]]:
    """For each row the names of the boxes around it: its process, and where there are several nodes its node."""
    columns = texts(table, "node"), texts(table, "comm"), ints(table, "tgid").tolist(), ints(table, "start_ns").tolist()
    rows = list(zip(*columns, strict=True))
    distinct = set(rows)
    count = Counter((node, command) for node, command, *_ in distinct)
    called = {row: _called(row[1], row[2], count[row[:2]]) for row in distinct}
    several = len({node for node, _ in count}) > 1
    return [(row[0], called[row]) if several else (called[row],) for row in rows]


def _called(command: str, tgid: int, count: int) -> str:
    return f"{command} [{tgid}]" if count == 1 else f"{command} ({count} processes)"


def _renamed(table: pa.Table, names: list[str]) -> pa.Table:
    """The table with another name for the outermost frame of each stack; no list becomes Python's."""
    columns = {}
    for column, outermost in (("frames", names), ("kinds", ["thread"]), ("modules", [""])):
        lists = pa.concat_arrays(table.column(column).chunks)
        offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
        encoded = pc.dictionary_encode(lists.flatten())
        texts = encoded.dictionary.to_pylist()
        known: dict[str, int] = {}
        place = np.array([len(texts) + known.setdefault(name, len(known)) for name in outermost])
        which = np.array(pc.fill_null(encoded.indices, -1))
        there = np.diff(offsets) > 0
        which[offsets[:-1][there]] = np.broadcast_to(place, len(there))[there]
        named = pa.array([*texts, *known], pa.string())
        values = pa.DictionaryArray.from_arrays(pa.array(which, mask=which < 0), named)
        columns[column] = pa.ListArray.from_arrays(pa.array(offsets), values)
    return pa.table({**columns, "value": table.column("value")}).replace_schema_metadata(table.schema.metadata)
