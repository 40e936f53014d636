"""How a Recording, a Table, a Verdict, a Result, a Scenario, an Alarm and a Probe show themselves, in words and tables.

In: one of them. Out: Words, which are HTML in a notebook, text in a terminal, Markdown elsewhere. Never: reads the
rows of a table, judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .display.words import Badge, Block, Col, Details, Note, Paragraph, Steps, Table, Words
from .units import format_count, format_duration, format_utc

if TYPE_CHECKING:
    from .probes import Probe
    from .recording import Recording, TableView
    from .replay import Result
    from .replay.evaluate import AlarmEvent
    from .scenarios import Alarm, Scenario
    from .verdict import Verdict


def recording(rec: Recording) -> Words:
    """When, where and what: the nodes, how long, and each table with its rows; those about itself stand last."""
    from .tables import frame_tables, own_tables

    own = {*own_tables(), *frame_tables()}
    start, end = rec.window
    facts = rec.info["nodes"]
    about = [f"{node} (Linux {facts[node].get('kernel') or 'unknown'}, {facts[node].get('cpus') or '?'} CPUs)"
             for node in rec.nodes]  # fmt: skip
    blocks: list[Block] = [
        Paragraph(f"Recording {rec.name}: {format_utc(start)[:19]} to {format_utc(end, date=False)[:8]} UTC, "
                  f"{format_duration(end - start)}, of {', '.join(about) or 'no node'}."),
    ]  # fmt: skip
    if rec.state != "complete":
        words = "is being written" if rec.state == "recording" else "was interrupted: it holds what came until then"
        blocks.append(Note(f"It {words}."))
    failed = [f"{name} ({probe['why'] or probe['state']})" for name, probe in sorted(rec.probes.items())
              if probe["state"] != "on"]  # fmt: skip
    if failed:
        blocks.append(Note(f"Not, or not all, recorded: {', '.join(failed)}."))
    views = sorted((rec[name] for name in rec.tables), key=lambda t: (t.name in own, -t.rows, t.name))
    most = max((table.rows for table in views), default=0) or 1
    rows = [[t.name, (format_count(t.rows), t.rows / most), _row(t.description)] for t in views if t.rows]
    empty = [t.name for t in views if not t.rows]
    blocks.append(Table([Col("table", "code"), Col("rows", "bar"), Col("one row is")], rows,
                        note=f"Watched, but without a row: {', '.join(empty)}." if empty else "",
                        empty="It has no rows in any table."))  # fmt: skip
    blocks += [Note(note) for note in rec.info["notes"]]
    return Words(*blocks)


def table(view: TableView) -> Words:
    """What one row is, how many there are, and every column with its type and unit."""
    rows = [[field.name, str(field.type), _told(field.metadata, "unit"), _told(field.metadata, "description")]
            for field in view.schema]  # fmt: skip
    return Words(
        Paragraph(f"Table {view.name} of {view.recording.name}: {format_count(view.rows)} rows. {view.description}"),
        Table([Col("column", "code"), Col("type", "code"), Col("unit"), Col("what it says")], rows),
    )


def _row(description: str) -> str:
    """What stands below the heading "one row is"."""
    return description.removeprefix("One row is ")


def _told(metadata: dict[bytes, bytes] | None, key: str) -> str:
    said = (metadata or {}).get(key.encode(), b"").decode(errors="replace")
    return "" if said == "none" else said


def verdict(v: Verdict) -> Words:
    """Its state and summary; how it was detected; what to do; and what it rests on."""
    blocks: list[Block] = [Badge(v.state, f"{v.title} on {v.node}", " ".join(s.text for s in v.summary))]
    if v.culprit is not None and v.culprit.text:
        blocks.append(Paragraph(v.culprit.text))
    if v.detected is not None:
        blocks.append(Paragraph(v.detected.text))
    blocks += [Note(sentence.text) for sentence in v.could_not_tell]
    if v.next_steps and v.state == "fired":
        checks = [f"To see that it worked: {step.check}" if step.check else "" for step in v.next_steps]
        steps = Steps([step.text for step in v.next_steps], ordered=True, hints=checks)
        blocks.append(Details("What to do next", [steps], f"{len(v.next_steps)} steps"))
    rests = Table([Col("evidence", "code"), Col("what it is"), Col("rows", "number")],
                  [[e.name, e.title, format_count(e.count)] for e in v.evidence])  # fmt: skip
    trust = f"Confidence is {v.confidence.level}. " + " ".join(
        f"{reason.text} ({', '.join(reason.evidence)})" for reason in v.confidence.reasons
    )
    blocks += [Details("What it rests on", [Paragraph(trust), rests], f"{len(v.evidence)} queries"),
               Note(f"Digest {v.digest}. {v.judged_by}".rstrip())]  # fmt: skip
    return Words(*blocks)


def result(r: Result) -> Words:
    """Every verdict: those that fired or cannot tell one by one, all that are quiet as one table."""
    loud = [v for v in r.ranked if v.state != "quiet"]
    several = len({v.node for v in r.verdicts}) > 1
    blocks: list[Block] = []
    for v in loud:
        said = " ".join(s.text for s in v.summary)
        blocks += [Badge(v.state, f"{v.title} on {v.node}" if several else v.title, said), *map(Paragraph, r.beside(v))]
    if quiet_ones := [v for v in r.ranked if v.state == "quiet"]:
        blocks.append(quiet(quiet_ones))
    return Words(*(blocks or [Note("No scenario was judged.")]))


def quiet(verdicts: Iterable[Verdict]) -> Table:
    """What was looked for and not found: its worst value beside the alarm's condition, and why it is quiet."""
    told = list(verdicts)
    several = len({v.node for v in told}) > 1
    columns = [Col("looked for"), *([Col("node")] if several else []), Col("worst", "number"), Col("alarm at"),
               Col("why")]  # fmt: skip
    rows = [
        [v.title, *([v.node] if several else []), v.detected.peak if v.detected else "–",
         v.detected.condition if v.detected else "", " ".join(s.text for s in v.summary)]
        for v in told
    ]  # fmt: skip
    return Table(columns, rows, caption="Looked for, and quiet")


def scenario(s: Scenario) -> Words:
    """What trouble it is, what it needs, its alarms with their conditions, and its signals."""
    from .replay.words import condition

    alarms = [
        [a.name, a.title, state, condition(a, s.signal(a.signal), limit)]
        for a in s.alarms for state, limit in (("warn", a.warn), ("crit", a.crit)) if limit is not None
    ]  # fmt: skip
    signals = [[signal.name, signal.unit, signal.description] for signal in s.signals]
    return Words(
        Paragraph(f"Scenario {s.name}: {s.title}"), Paragraph(s.summary),
        Note(f"Needs the probes {', '.join(s.needs)}, and at least {s.min_seconds} s of them."),
        Table([Col("alarm", "code"), Col("what it says"), Col("state"), Col("when")], alarms, empty="It has no alarm."),
        Table([Col("signal", "code"), Col("unit"), Col("what it is")], signals, empty="It has no signal."),
    )  # fmt: skip


def alarm(a: Alarm) -> Words:
    """Which signal it looks at, how, and its thresholds, as they stand in the scenario."""
    limits = [[state, f"{limit.op} {limit.value:g}"] for state, limit in
              (("warn", a.warn), ("crit", a.crit), ("clear", a.clear)) if limit is not None]  # fmt: skip
    waits = f", met for {a.for_s} s" if a.for_s else ""
    return Words(
        Paragraph(f"Alarm {a.name}: {a.title}"),
        Paragraph(f"The {a.lookup} of the signal {a.signal} over {a.over_s} s{waits}."),
        Table([Col("state"), Col("threshold", "code")], limits),
    )


def event(e: AlarmEvent) -> Words:
    """One line: when, what it is now, and its value."""
    state = "quiet" if e.kind == "cleared" else "fired"
    of = f" ({e.label})" if e.label else ""
    return Words(Badge(state, f"{e.title}{of} on {e.node}", f"{format_utc(e.at_ns)} UTC: {e.kind}, {e.value}."))


def probe(p: Probe) -> Words:
    """What it records, what that costs, its parameters and its tables."""
    sets = f"In the sets {', '.join(p.sets)}." if p.sets else "In no set but everything."
    params = [[q.name, f"{q.default}", q.unit, q.description] for q in p.params]
    tables = [[t.name, format_count(len(t.schema.names)), _row(t.schema.description)] for t in p.tables]
    head = [Col("table", "code"), Col("columns", "number"), Col("one row is")]
    blocks: list[Block] = [Paragraph(f"Probe {p.name}: {p.summary}"), Paragraph(f"{sets} {p.cost}"),
                           Table(head, tables)]  # fmt: skip
    if params:
        head = [Col("parameter", "code"), Col("default", "number"), Col("unit"), Col("what it says")]
        blocks.append(Table(head, params))
    if p.kernels:
        blocks.append(Note(p.kernels))
    return Words(*blocks)


__all__ = ["alarm", "event", "probe", "quiet", "recording", "result", "scenario", "table", "verdict"]
