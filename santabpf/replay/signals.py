"""Signals: one number per second, node and label, out of SQL; and which seconds were watched at all.

In: a recording's tables in [a - lookback, b). Out: values for the seconds in [a, b). Never: a row outside of that.

A second counts as watched when `coverage` says that every table the signal reads was watched through it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import QueryFailed, nearest
from ..probes import table_probe
from ..scenarios import Query as Sql
from ..scenarios import Scenario, Signal
from ..units import SECOND
from .sql import Composed, Text, compose_shared

if TYPE_CHECKING:
    from .query import Query

#: /proc is read some milliseconds beside the edge of a second, so a whole second may be watched a little less long.
WHOLE_NS = 950_000_000
#: More labels than this in one signal mean that it names the wrong thing.
MAX_LABELS = 10_000
COLUMNS = ("second", "node", "label", "value")
#: What each evidence query is given anew; a view without them is the same for all.
ASKED = ("from_ns", "to_ns", "span_ns", "node", "label")


def composed(scenario: Scenario, query: Sql) -> Composed:
    """A query of a scenario with the views it uses, each line knowing where it comes from."""
    views = {name: Text(view.sql, scenario.path, view.key, view.line) for name, view in scenario.views.items()}
    return compose_shared(Text(query.sql, scenario.path, query.key, query.line), views, ASKED)


def snapshots() -> frozenset[str]:
    """Tables that are read once, at the start: a query sees all of them whatever second it is about."""
    from ..tables import all_tables

    return frozenset(name for name in all_tables() if not is_per_second(name))


def is_per_second(table: str) -> bool:
    """Does coverage tell, second by second, whether this table was watched? Not for snapshots and our own tables."""
    probe = table_probe(table)
    return probe is not None and any(t.name == table and t.when == "second" for t in probe.tables)


@dataclass
class Chunk:
    """Values of one signal in some seconds."""

    values: dict[int, dict[str, dict[str, float | None]]]  # second -> node -> label
    is_labelled: bool


def read_signal(query: Query, scenario: Scenario, signal: Signal, start: int, end: int) -> Chunk:
    """Run a signal's SQL for the seconds in [start, end). Raises QueryFailed where it doesn't give what it must."""
    text = composed(scenario, signal.query)
    rows = query.run(text, scenario.values, from_ns=start - signal.lookback_ns, to_ns=end, whole=snapshots()).table
    where = f"{scenario.path}:{signal.query.line}: {signal.query.key}: "
    is_labelled = "label" in rows.schema.names
    assert query.recording is not None
    seconds = (end - start + signal.lookback_ns) // SECOND
    if rows.num_rows > (most := seconds * len(query.recording.nodes) * MAX_LABELS):
        raise QueryFailed(f"{where}gives {rows.num_rows} rows; {MAX_LABELS} labels a second and node make {most}")
    for name in rows.schema.names:
        if name not in COLUMNS:
            raise QueryFailed(
                f"{where}gives a column {name!r}; a signal has {', '.join(COLUMNS)}; {nearest(name, COLUMNS)}"
            )
    for name in ("second", "node", "value"):
        if name not in rows.schema.names:
            raise QueryFailed(f"{where}gives no column {name!r}")
    for name, wanted in (("second", ("int", "uint")), ("value", ("int", "uint", "float", "double", "decimal", "bool"))):
        kind = str(rows[name].type)
        if rows.num_rows and not kind.startswith((*wanted, "null")):
            raise QueryFailed(f"{where}gives as {name} a {kind}, which is no number")
    labels = rows["label"].to_pylist() if is_labelled else [""] * rows.num_rows
    values: dict[int, dict[str, dict[str, float | None]]] = defaultdict(lambda: defaultdict(dict))
    for second, node, label, value in zip(
        rows["second"].to_pylist(), rows["node"].to_pylist(), labels, rows["value"].to_pylist(), strict=True
    ):
        if second is None or not start <= second < end:
            continue
        here, label = values[second][node], "" if label is None else str(label)
        if label in here:
            raise QueryFailed(f"{where}gives two rows for the same second, node and label")
        if len(here) >= MAX_LABELS:
            raise QueryFailed(f"{where}gives more than {MAX_LABELS} labels in one second")
        number = None if value is None else float(value)
        here[label] = None if number is None or not math.isfinite(number) else number
    return Chunk(values, is_labelled)


@dataclass
class Coverage:
    """Which tables were watched through which second."""

    tables: dict[tuple[str, int], frozenset[str]]  # (node, second) -> tables
    late: int  # rows that came after their second had been closed

    def is_watched(self, node: str, second: int, tables: frozenset[str]) -> bool:
        """Were all of these watched?"""
        return tables <= self.tables.get((node, second), frozenset())


COVERAGE = (
    'SELECT node, second, "table", CAST(sum(span_ns) AS BIGINT) AS span_ns, CAST(sum(late) AS BIGINT) AS late '
    "FROM coverage GROUP BY ALL ORDER BY ALL"
)


EXTENTS = "SELECT node, min(second) AS first, max(second) AS last FROM coverage GROUP BY node ORDER BY node"


def read_coverage(query: Query, start: int, end: int) -> Coverage:
    """What was watched in the seconds in [start, end)."""
    if "coverage" not in query.tables:
        return Coverage({}, 0)
    rows = query.run(COVERAGE, from_ns=start, to_ns=end).table
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    late = 0
    for row in rows.to_pylist():
        late += row["late"] or 0
        if (row["span_ns"] or 0) >= WHOLE_NS:
            found[row["node"], row["second"]].add(row["table"])
    return Coverage({key: frozenset(tables) for key, tables in found.items()}, late)


def extents(query: Query, since: int | None) -> Mapping[str, tuple[int, int]]:
    """For each node, from when to when coverage speaks of it, in whole seconds (looking no further back than since)."""
    if "coverage" not in query.tables:
        return {}
    rows = query.run(EXTENTS, from_ns=since).table.to_pylist()
    return {row["node"]: (row["first"], row["last"] + SECOND) for row in rows}
