"""Stacks of processes: each under its command, and how many there are of it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from santabpf.charts.flame_graph import info
from santabpf.charts.flame_processes import by_process, whose


def recorded(rows: list[dict[str, Any]], unit: str = "samples") -> pa.Table:
    """As a recording gives them: the thread's name stands outermost."""
    lists = pa.list_(pa.string())
    schema = pa.schema([
        ("node", pa.string()), ("comm", pa.string()), ("tgid", pa.int64()), ("start_ns", pa.int64()),
        ("frames", lists), ("kinds", lists), ("modules", lists), ("value", pa.int64()),
    ], {"unit": unit})
    full = []
    for row in rows:
        below = row.get("frames", ["main"])
        full.append({"node": "web-1", "start_ns": 1, "value": 1} | row | {
            "frames": [row["comm"], *below], "kinds": ["thread"] + ["user"] * len(below),
            "modules": [None] * (1 + len(below))})
    return pa.Table.from_pylist(full, schema)


def test_a_process_is_named_with_its_number() -> None:
    table = by_process(recorded([{"comm": "cron", "tgid": 7, "frames": ["main", "run"], "value": 5}]))
    assert table.to_pylist() == [{
        "frames": ["cron [7]", "main", "run"], "kinds": ["thread", "user", "user"], "modules": ["", None, None],
        "value": 5}]


def test_many_processes_of_one_command_stand_together_and_are_counted() -> None:
    rows = [{"comm": "gzip", "tgid": 100 + at} for at in range(23)]
    rows += [{"comm": "gzip", "tgid": 100, "start_ns": 9}]  # the number came round
    rows += [{"comm": "cron", "tgid": 7}, {"comm": "cron", "tgid": 7, "frames": ["run"]}]
    tree = info(by_process(recorded(rows))).columns
    assert [name for name, depth in zip(tree.name, tree.depth, strict=True) if depth == 1] == [
        "gzip (24 processes)", "cron [7]"]
    assert tree.width[1] == 24
    stand_for = whose(recorded(rows))
    assert stand_for["cron [7]",] == [("web-1", "cron", 7, 1)]
    assert len(stand_for["gzip (24 processes)",]) == 24


def test_several_nodes_stand_around_their_processes() -> None:
    tree = info(by_process(recorded([{"node": node, "comm": "sh", "tgid": 5} for node in ("web-1", "web-2")]))).columns
    assert tree.name == ("all", "web-1", "sh [5]", "main", "web-2", "sh [5]", "main")
    assert whose(recorded([{"node": node, "comm": "sh", "tgid": 5} for node in ("web-1", "web-2")])) == {
        ("web-1", "sh [5]"): [("web-1", "sh", 5, 1)], ("web-2", "sh [5]"): [("web-2", "sh", 5, 1)]}


def test_the_unit_is_kept_and_nothing_is_fine() -> None:
    assert info(by_process(recorded([{"comm": "sh", "tgid": 5}], "ns"))).unit == "ns"
    assert info(by_process(recorded([]))).columns.name == ("all",)
