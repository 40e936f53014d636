"""Stacks of many processes, with a frame outermost that says whose they are.

In: stacks as flame_graph.py takes them, whose outermost frame is the thread's name, with the columns node, comm, tgid
and start_ns. Out: such a table, to be drawn. Never: a name that was not there.
"""

from __future__ import annotations

import pyarrow as pa

from .look import Tabular, arrow, ints, texts


def by_process(stacks: Tabular) -> pa.Table:
    """The stacks with `command [pid]` outermost, or `command (23 processes)` where several have that name.

    They stand together since a node may start thousands of processes of one name in a minute. Where there are several
    nodes, each has a frame of its own around them.
    """
    table = arrow(stacks)
    nodes, commands = texts(table, "node"), texts(table, "comm")
    identities = list(zip(ints(table, "tgid").tolist(), ints(table, "start_ns").tolist(), strict=True))
    processes: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for node, command, identity in zip(nodes, commands, identities, strict=True):
        processes.setdefault((node, command), set()).add(identity)
    several = len(set(nodes)) > 1
    around = []
    for node, command, (tgid, _) in zip(nodes, commands, identities, strict=True):
        count = len(processes[node, command])
        named = f"{command} [{tgid}]" if count == 1 else f"{command} ({count} processes)"
        around.append([node, named] if several else [named])
    columns = {
        name: [first + (rest or [])[1:] for first, rest in zip(outer, table.column(name).to_pylist(), strict=True)]
        for name, outer in (("frames", around), ("kinds", [["thread"] * len(names) for names in around]),
                            ("modules", [[""] * len(names) for names in around]))
    }
    lists = pa.list_(pa.string())
    made = pa.table({name: pa.array(column, lists) for name, column in columns.items()})
    return made.append_column("value", table.column("value")).replace_schema_metadata(table.schema.metadata)
