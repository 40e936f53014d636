"""Loss may make a verdict uncertain, never wrong: rows of real recordings are taken away, and that they are is told."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection
from itertools import islice, product
from pathlib import Path

import pyarrow as pa
import pytest
from at_the_edge import deciding, edges
from older_recordings import declared

from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording
from santabpf.replay import replay
from santabpf.replay.signals import composed, is_per_second
from santabpf.scenarios import Scenario, all_scenarios
from santabpf.shipped import shipped
from santabpf.tables import table_schema
from santabpf.units import SECOND

RECORDINGS = [open_recording(path.parent) for path in sorted(shipped("recordings").glob("*/recording.json"))]
#: How many of a table's rows are lost: so many, or such a part of them.
LOST = (1, 0.3, 1.0)
#: What says of how many events one row is; where a map is full, each of them counts as lost.
EVENTS = {"accept_hist": "accepts", "event_loop": "ticks", "exhausted": "errors", "file_io": "calls"}


def tables(scenario: Scenario) -> list[str]:
    """The tables that what decides reads second by second."""
    asked = " ".join(composed(scenario, signal.query).sql for signal in deciding(scenario).signals)
    return [t for t in scenario.tables if is_per_second(t) and re.search(rf"\b{t}\b", asked)]


def cases() -> list[tuple[str, str]]:
    """Of each scenario the first of its faults, and of its look-alikes, that has rows in each table that decides."""
    out = set()
    for name, scenario in all_scenarios().items():
        drills = [(r, r.info["drill"]["expected"]) for r in RECORDINGS if r.info["drill"]["scenario"] == name]
        for table, wanted in product(tables(scenario), ("fired", "quiet")):
            fitting = (r.name for r, expected in drills if expected == wanted and r[table].rows)
            out |= {(name, first) for first in islice(fitting, 1)}
    return sorted(out)


def lost_of(rows: pa.Table, table: str, gone: Collection[int]) -> pa.Table:
    """What `loss` tells of these rows: how many events in which second."""
    spans = rows["span_ns"].to_pylist() if "span_ns" in rows.column_names else [0] * len(rows)
    moments = [ts_ns - span_ns // 2 for ts_ns, span_ns in zip(rows["ts_ns"].to_pylist(), spans, strict=True)]
    events = rows[EVENTS[table]].to_pylist() if table in EVENTS else [1] * len(rows)
    seconds = Counter[int]()
    for at in gone:
        seconds[moments[at] // SECOND] += events[at]
    told = [
        {"ts_ns": (second + 1) * SECOND, "span_ns": SECOND, "table": table, "reserve_failed": count,
         "map_full": 0, "prog_missed": 0, "buffer_dropped": 0}
        for second, count in sorted(seconds.items())
    ]  # fmt: skip
    return pa.Table.from_pylist(told, schema=table_schema("loss").arrow)


def with_less(whole: Recording, scenario: Scenario, out: Path) -> Recording:
    """A recording of many nodes, each of which is the one of `whole`, without other rows of one of the tables."""
    (facts,) = whole.info["nodes"].values()
    kept = {name: whole[name].arrow().drop_columns(["node"]) for name in (*tables(scenario), "coverage")}
    taken = [(table, share) for table in tables(scenario) for share in LOST if whole[table].rows]
    lost = {re.sub("[_.]", "-", f"{table}-{share}"): (table, share) for table, share in taken}
    info = {key: whole.info[key] for key in ("probes", "scope", "scenarios", "created_ns")}
    with Writer(out, info=info | {"nodes": dict.fromkeys(lost, facts)}, tables=whole.tables) as writer:
        for label, (table, share) in lost.items():
            rows = kept[table]
            some = share if isinstance(share, int) else round(len(rows) * share)
            gone = set(random.Random(f"{whole.name} {label}").sample(range(len(rows)), max(1, min(some, len(rows)))))
            left = rows.take(pa.array([at for at in range(len(rows)) if at not in gone], pa.int64()))
            for name, of_node in (kept | {table: left, "loss": lost_of(rows, table, gone)}).items():
                for batch in declared(name, of_node).combine_chunks().to_batches():
                    writer.append(label, name, batch)
    return open_recording(out)


@pytest.mark.parametrize(("name", "recording"), cases())
def test_what_was_lost_turns_no_verdict_into_its_opposite(name: str, recording: str, tmp_path: Path) -> None:
    scenario, whole = all_scenarios()[name], open_recording(shipped("recordings") / recording)
    expected = whole.info["drill"]["expected"]
    tried = [(deciding(scenario), expected), *edges(scenario, whole)]
    rules, states = zip(*tried, strict=True)
    assert tuple(verdict.state for verdict in replay(whole, rules).verdicts) == states
    less = with_less(whole, scenario, tmp_path / "r")
    ways = [(rule.alarms[0], state, node) for rule, state in tried for node in less.nodes]
    found = [(*way, verdict.state) for way, verdict in zip(ways, replay(less, rules).verdicts, strict=True)]
    assert [way for way in found if way[3] not in (way[1], "cannot_tell")] == []
    assert expected == "quiet" or any((state, now) == ("fired", "cannot_tell") for _, state, _, now in found)
