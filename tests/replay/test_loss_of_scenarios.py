"""Loss may make a verdict uncertain, never wrong: rows of real recordings are taken away, and that they are is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording
from santabpf.replay import replay
from santabpf.scenarios import Scenario, all_scenarios
from santabpf.shipped import shipped
from santabpf.tables import table_schema
from santabpf.units import SECOND

ROOM = shipped("recordings")
RECORDINGS = [open_recording(path.parent) for path in sorted(ROOM.glob("*/recording.json"))]


def kept(scenario: Scenario, expected: str) -> Recording:
    """The first bundled recording of its fault, or of a look-alike."""
    drills = [(r, r.info["drill"]) for r in RECORDINGS]
    return next(r for r, d in drills if (d["scenario"], d["expected"]) == (scenario.name, expected))


def declared(name: str, rows: pa.Table) -> pa.Table:
    """The rows with all columns that the table has today; some recordings are older."""
    schema = table_schema(name).arrow
    has = set(rows.column_names)
    columns = [rows[f.name] if f.name in has else pa.nulls(len(rows), f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def without(recording: Recording, table: str, every: int, out: Path) -> Recording:
    """The recording without each so-manieth row of a table, which are told as lost in their seconds."""
    (node,) = recording.info["nodes"]
    rows = recording[table].arrow().drop_columns(["node"])
    ends = "span_ns" in rows.column_names  # such rows are stamped at the end of what they stand for
    gone = [at for at in range(len(rows)) if at % every == 0]
    seconds = Counter((rows["ts_ns"][at].as_py() - ends) // SECOND for at in gone)
    left = rows.take(pa.array([at for at in range(len(rows)) if at % every], pa.int64()))
    loss = [
        {"ts_ns": (second + 1) * SECOND, "span_ns": SECOND, "table": table, "reserve_failed": count,
         "map_full": 0, "prog_missed": 0, "buffer_dropped": 0}
        for second, count in sorted(seconds.items())
    ]  # fmt: skip
    told = pa.Table.from_pylist(loss, schema=table_schema("loss").arrow)
    of_node = {name: recording[name].arrow().drop_columns(["node"]) for name in recording.tables}
    info = {key: recording.info[key] for key in ("probes", "nodes", "scope", "scenarios", "created_ns")}
    with Writer(out, info=info, tables=recording.tables) as writer:
        for name, whole in (of_node | {table: left, "loss": told}).items():
            for batch in declared(name, whole).combine_chunks().to_batches():
                writer.append(node, name, batch)
    return open_recording(out)


def lossy() -> list[tuple[str, str]]:
    """Each scenario with each table that feeds its alarms through a ring or a map, where the table may lose rows."""
    out = set()
    for scenario in all_scenarios().values():
        feeding = {alarm.signal for alarm in scenario.alarms}
        for signal in scenario.signals:
            out |= {(scenario.name, loss.table) for loss in signal.losses if signal.name in feeding}
    return sorted(out)


@pytest.mark.parametrize(("name", "table"), lossy())
def test_a_fault_of_which_all_was_lost_is_not_called_quiet(name: str, table: str, tmp_path: Path) -> None:
    scenario = all_scenarios()[name]
    (verdict,) = replay(without(kept(scenario, "fired"), table, 1, tmp_path / "r"), [name]).verdicts
    assert verdict.state in ("fired", "cannot_tell")


@pytest.mark.parametrize(("name", "table"), lossy())
def test_a_look_alike_of_which_half_was_lost_does_not_fire(name: str, table: str, tmp_path: Path) -> None:
    scenario = all_scenarios()[name]
    (verdict,) = replay(without(kept(scenario, "quiet"), table, 2, tmp_path / "r"), [name]).verdicts
    assert verdict.state in ("quiet", "cannot_tell")
