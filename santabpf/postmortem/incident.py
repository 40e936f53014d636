"""Several recordings of one incident: what each says, and all on one time axis.

In: recordings. Out: display values; those of one recording, one below the other, by each(). Never: a verdict over
several recordings, or a time whose error is not said beside it.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..charts import signals as signal_chart
from ..display import Figure, Note, Words
from ..display.words import Badge, Block, Col, Heading, Paragraph, Table
from ..errors import BadUsage
from ..recording import Recording
from ..recording import open as open_recording
from ..replay import Result, replay
from ..units import DAY, format_duration, format_utc
from .clocks import Clock, clock_of
from .pictures import MOST_SIGNALS, about_signals
from .words import moments

if TYPE_CHECKING:
    import pandas as pd

_STATES = {"fired": "fired", "cannot_tell": "cannot tell", "quiet": "quiet"}


class Incident:
    """Recordings with their results and clocks, earliest first. Raises as open() and replay(), BadUsage for none."""

    def __init__(self, recordings: Sequence[str | Path | Recording], scenarios: Iterable[str] | None = None) -> None:
        if isinstance(recordings, str) or not recordings:
            raise BadUsage("name the recordings of the incident, as a list")
        chosen = None if scenarios is None else list(scenarios)
        opened = [rec if isinstance(rec, Recording) else open_recording(rec) for rec in recordings]
        results = [replay(rec, chosen) for rec in opened]
        clocks = [{node: clock_of(rec, node) for node in rec.nodes} for rec in opened]
        pairs = zip(opened, results, clocks, strict=True)
        self.parts: list[tuple[Recording, Result, dict[str, Clock]]] = sorted(pairs, key=lambda p: p[0].window)

    def name(self, rec: Recording) -> str:
        """The recording's name, with its folder where two are called the same."""
        counts = Counter(other.name for other, _, _ in self.parts)
        return rec.name if counts[rec.name] == 1 else f"{rec.path.resolve().parent.name}/{rec.name}"

    def each(self, section: Callable[..., Words]) -> Words:
        """One section of a postmortem for each recording, below its name: incident.each(postmortem.cause)."""
        blocks: list[Block] = []
        for rec, result, _ in self.parts:
            takes_both = len(inspect.signature(section).parameters) > 1
            words = section(rec, result) if takes_both else section(result)
            blocks += [Heading(self.name(rec)), *words.blocks]
        return Words(*blocks)


def overview(incident: Incident) -> Words:
    """Which recordings, of which nodes, from when to when, and what each verdict says; those that fired, in full."""
    rows, badges = [], list[Block]()
    for rec, result, clocks in incident.parts:
        start, end = rec.window
        for node in rec.nodes:
            said = [v for v in result.ranked if v.node == node and v.state != "quiet"]
            when = f"{format_utc(start - clocks[node].offset_ns)[:19]}, {format_duration(end - start)}"
            rows.append([incident.name(rec), node, when, "; ".join(f"{_STATES[v.state]}: {v.title}" for v in said)
                         or f"quiet: {len(result.verdicts)} scenarios judged"])
        for v in result.ranked:
            if v.state == "fired":
                summary = " ".join(s.text for s in v.summary)
                badges.append(Badge(v.state, f"{v.title}, {incident.name(rec)} on {v.node}", summary))
                badges += map(Paragraph, result.beside(v))
    columns = [Col("recording", "code"), Col("node", "code"), Col("from (UTC), for", "code"), Col("verdicts")]
    blocks: list[Block] = [Table(columns, rows)]
    for (before, _, _), (after, _, _) in zip(incident.parts, incident.parts[1:], strict=False):
        if after.window[0] > before.window[1]:
            gap = format_duration(after.window[0] - before.window[1])
            blocks.append(Note(f"Between {incident.name(before)} and {incident.name(after)} lie {gap} "
                               "of which nothing is known."))
    return Words(*blocks, *badges)


def aligned_timeline(incident: Incident) -> Words:
    """What happened when on all nodes, on the recording machine's clock, with how wrong each time can be."""
    found = {
        (ts - clocks[node].offset_ns, _error(clocks[node]), incident.name(rec), node, text)
        for rec, result, clocks in incident.parts for ts, node, text in moments(rec, result)
    }
    dates = len({row[0] // DAY for row in found}) > 1
    columns = [Col("UTC", "code"), Col("±", "number"), Col("recording", "code"), Col("node", "code"),
               Col("what happened")]
    return Words(Table(columns, [[format_utc(ts, date=dates), *rest] for ts, *rest in sorted(found)]))


def aligned_signals(incident: Incident) -> Figure:
    """The signals that matter most, of every recording, on one time axis; a line is named by its recording and node."""
    import pandas as pd

    frames = []
    for rec, result, clocks in incident.parts:
        over = result.alarms.fillna({"to_ns": rec.window[1]})  # of what came after, its recording knows nothing
        frames.append((_moved(result.signals, ("second",), incident.name(rec), clocks),
                       _moved(over, ("onset_ns", "from_ns", "to_ns"), incident.name(rec), clocks)))
    told = about_signals({v.scenario for _, result, _ in incident.parts for v in result.verdicts})
    info = signal_chart.foremost(
        signal_chart.info(pd.concat([s for s, _ in frames]), pd.concat([a for _, a in frames]), **told,
                          recorded=[(rec.window[0] - clock.offset_ns, rec.window[1] - clock.offset_ns)
                                    for rec, _, clocks in incident.parts for clock in clocks.values()]), MOST_SIGNALS)
    return Figure(signal_chart.figure(info), f"signals of all recordings over time, {len(info.panels)} panels")


def clocks(incident: Incident) -> Words:
    """How far each node's clock was from the recording machine's, and how well that is known."""
    rows = [[incident.name(rec), node, "not known" if clock.error_ns is None else _signed(clock.offset_ns),
             _error(clock)] for rec, _, known in incident.parts for node, clock in known.items()]
    table = Table([Col("recording", "code"), Col("node", "code"), Col("its clock against the recorder's", "number"),
                   Col("±", "number")], rows)
    note = "Recordings that were made by different machines agree as far as the clocks of those machines do."
    unknown = [row[0] for row in rows if row[3] == _error(Clock(0, None))]
    more = [Note(f"Nothing is known of the clock of {', '.join(unknown)}: its times are the node's own.")]
    return Words(table, *(more if unknown else []), Note(note))


def _error(clock: Clock) -> str:
    return "not known" if clock.error_ns is None else format_duration(clock.error_ns)


def _signed(ns: int) -> str:
    return ("+" if ns > 0 else "") + format_duration(ns)


def _moved(frame: pd.DataFrame, columns: Iterable[str], name: str, clocks: dict[str, Clock]) -> Any:
    """Times on the common clock; the node's label tells the recording too."""
    offsets = frame["node"].map({node: clock.offset_ns for node, clock in clocks.items()}).astype("int64")
    moved = {column: frame[column] - offsets for column in columns}
    return frame.assign(**moved, node=name + " · " + frame["node"])
