"""Nothing is ruled out by rows that are not there because they were lost: the verdict says which, and how many."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from older_recordings import declared

from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording
from santabpf.replay import replay
from santabpf.replay.signals import composed
from santabpf.scenarios import all_scenarios, get_scenario
from santabpf.shipped import shipped
from santabpf.tables import table_schema
from santabpf.units import SECOND
from santabpf.verdict import Verdict


def lost(table: str, second: int, rows: int) -> pa.Table:
    """What `loss` tells of so many rows of a table, lost in one second."""
    kinds = {"map_full": rows, "reserve_failed": 0, "prog_missed": 0, "buffer_dropped": 0}
    row = {"ts_ns": second + SECOND, "span_ns": SECOND, "table": table, **kinds}
    return pa.Table.from_pylist([row], schema=table_schema("loss").arrow)


def changed(
    whole: Recording, out: Path, nodes: Mapping[str, Mapping[str, pa.Table]], without: Collection[str] = ()
) -> Recording:
    """The same once for each of these nodes, with these tables instead of its own; some tables were not recorded."""
    (facts,) = whole.info["nodes"].values()
    info = {key: whole.info[key] for key in ("probes", "scope", "scenarios", "created_ns")}
    names = [name for name in whole.tables if name not in ("clock", "receipt", *without)]
    kept = {name: whole[name].arrow().drop_columns(["node"]) for name in names}
    told = [name for name in whole.tables if name not in without]
    with Writer(out, info=info | {"nodes": dict.fromkeys(nodes, facts)}, tables=told) as writer:
        for node, tables in nodes.items():
            for name, rows in (kept | dict(tables)).items():
                for batch in declared(name, rows).combine_chunks().to_batches():
                    writer.append(node, name, batch)
    return open_recording(out)


def bundled(name: str) -> Recording:
    return open_recording(shipped("recordings") / name)


def ruled_out(verdict: Verdict) -> set[str]:
    return {cause.cause for cause in verdict.ruled_out}


def begun(verdict: Verdict) -> int:
    assert verdict.detected is not None
    assert verdict.detected.onset_ns is not None
    return verdict.detected.onset_ns


def last(verdict: Verdict) -> int:
    """The last second of its incident, in which hardly anything can turn the answer."""
    assert verdict.detected is not None
    return (verdict.detected.to_ns or verdict.window.to_ns) - SECOND


def reads(scenario: str, cause: str) -> set[str]:
    """The tables that stand in the SQL of a cause's evidence."""
    rules = get_scenario(scenario)
    (on,) = (c.evidence for c in rules.words.ruled_out if c.name == cause)
    asked = " ".join(composed(rules, e.query).sql for e in rules.evidence if e.name in on)
    return {table for table in (*rules.tables, *rules.optional) if re.search(rf"\b(FROM|JOIN) {table}\b", asked)}


@pytest.mark.parametrize("scenario", sorted(n for n, s in all_scenarios().items() if (s.folder / "quiet").is_dir()))
def test_a_lost_row_of_a_table_that_a_cause_is_judged_by_leaves_that_cause_open_and_no_other(
    scenario: str, tmp_path: Path
) -> None:
    whole = bundled(scenario)
    (before,) = replay(whole, [scenario]).verdicts
    tables = sorted(set().union(*(reads(scenario, cause) for cause in ruled_out(before))) & set(whole.tables))
    assert tables
    nodes = {f"without-{table.replace('_', '-')}": {"loss": lost(table, last(before), 1)} for table in tables}
    found = replay(changed(whole, tmp_path / "r", nodes), [scenario]).verdicts
    assert {verdict.node for verdict in found} == set(nodes)
    ruled = {verdict.node: verdict for verdict in found}
    for table in tables:
        verdict = ruled[f"without-{table.replace('_', '-')}"]
        touched = {cause for cause in ruled_out(before) if table in reads(scenario, cause)}
        assert touched
        assert not touched & ruled_out(verdict), table
        if verdict.state != before.state:  # it is told what else could be, which may be more
            continue
        assert ruled_out(verdict) == ruled_out(before) - touched, table
        told = {s.text for s in verdict.could_not_tell if "recording_loss" in s.evidence}
        assert {f"1 row of {table} was lost, so it is not ruled out: {cause}." for cause in touched} <= told
    assert before.state in {verdict.state for verdict in found}


@pytest.mark.parametrize(
    ("scenario", "recording", "table", "cause"),
    [
        ("crash_loop", "oom_kill_again", "oom", "killed for want of memory"),
        ("oom_kill", "oom_kill_quiet_kill_9", "signals", "a kill -9 by a person or a supervisor"),
    ],
)
def test_what_was_found_before_its_rows_were_lost_is_not_ruled_out_without_them(
    scenario: str, recording: str, table: str, cause: str, tmp_path: Path
) -> None:
    whole = bundled(recording)
    (before,) = replay(whole, [scenario]).verdicts
    assert cause not in ruled_out(before)
    rows = whole[table].arrow().drop_columns(["node"])
    assert len(rows)
    less = {table: rows.slice(0, 0), "loss": lost(table, before.window.from_ns + SECOND, len(rows))}
    (verdict,) = replay(changed(whole, tmp_path / "r", {"node-1": less}), [scenario]).verdicts
    assert cause not in ruled_out(verdict)


def test_what_was_lost_when_the_incident_was_over_or_before_it_leaves_what_is_ruled_out(tmp_path: Path) -> None:
    whole, table = bundled("memory_usage"), "cgroup_metrics"
    (before,) = replay(whole, ["memory_usage"]).verdicts
    over = last(before) + SECOND
    assert over < before.window.to_ns
    at = {"before": begun(before) - 2 * SECOND, "first": begun(before), "last": last(before), "after": over}
    nodes = {node: {"loss": lost(table, second, 3)} for node, second in at.items()}
    found = {v.node: v for v in replay(changed(whole, tmp_path / "r", nodes), ["memory_usage"]).verdicts}
    touched = {cause for cause in ruled_out(before) if table in reads("memory_usage", cause)}
    assert touched
    assert ruled_out(found["before"]) == ruled_out(found["after"]) == ruled_out(before)
    assert ruled_out(found["first"]) == ruled_out(found["last"]) == ruled_out(before) - touched


def gap(table: str | None, from_ns: int, to_ns: int | None) -> pa.Table:
    """What `gaps` tells of one that nobody watched for a while."""
    row = {"ts_ns": from_ns, "end_ns": to_ns, "table": table, "reason": "probe_failed", "detail": "killed"}
    return pa.Table.from_pylist([row], schema=table_schema("gaps").arrow)


def test_a_cause_is_not_ruled_out_by_what_nobody_watched(tmp_path: Path) -> None:
    whole, table = bundled("memory_usage"), "cgroup_metrics"
    (before,) = replay(whole, ["memory_usage"]).verdicts
    from_ns, over_ns = last(before), last(before) + SECOND
    nodes = {
        "of-it": {"gaps": gap(table, from_ns, from_ns + SECOND // 2)},
        "of-it-to-the-end": {"gaps": gap(table, from_ns, None)},
        "of-all": {"gaps": gap(None, from_ns, over_ns)},
        "of-another": {"gaps": gap("oom", from_ns, over_ns)},
        "afterwards": {"gaps": gap(table, over_ns, None)},
    }
    found = {v.node: v for v in replay(changed(whole, tmp_path / "r", nodes), ["memory_usage"]).verdicts}
    assert {verdict.state for verdict in found.values()} == {"fired"}
    touched = {cause for cause in ruled_out(before) if table in reads("memory_usage", cause)}
    assert touched
    assert ruled_out(found["of-it"]) == ruled_out(found["of-it-to-the-end"]) == ruled_out(before) - touched
    assert ruled_out(found["of-all"]) == set()
    assert ruled_out(found["of-another"]) == ruled_out(found["afterwards"]) == ruled_out(before)
    told = [s.text for s in found["of-it"].could_not_tell if "so it is not ruled out" in s.text]
    assert len(told) == len(touched)
    assert all(text.startswith(f"Nothing is known about {table} from ") for text in told)
    assert {s.evidence[-1] for s in found["of-it"].could_not_tell if s.text in told} == {"recording_gaps"}
