"""The sections in words: what the verdicts say, in the order in which people ask.

In: a recording's facts and a result's verdicts. Out: Words. Never: a number that is not in a verdict or a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..cards import quiet
from ..display.words import Badge, Block, Col, Details, Heading, Note, Paragraph, Steps, Table, Tile, Tiles, Words
from ..units import DAY, format_count, format_duration, format_utc
from .evidence import backed

if TYPE_CHECKING:
    from ..recording import Recording
    from ..replay import Result
    from ..verdict import Sentence, Verdict

def in_brief(result: Result) -> list[Verdict]:
    """The quiet verdicts that share one table and a line each, where there are several; one alone is told in full."""
    return [v for v in result.ranked if v.state == "quiet"] if len(result.verdicts) > 1 else []


def in_full(result: Result) -> list[Verdict]:
    """The others."""
    brief = in_brief(result)
    return [v for v in result.ranked if v not in brief]


def name_of(verdict: Verdict, among: Iterable[Verdict]) -> str:
    """Its title, with the node where there are several."""
    return f"{verdict.title} on {verdict.node}" if len({v.node for v in among}) > 1 else verdict.title


def summary(rec: Recording, result: Result) -> Words:
    """What was recorded, each verdict big and clear, the few numbers that matter most, and all that is quiet."""
    verdicts, brief = result.ranked, in_brief(result)
    start, end = rec.window
    kernels = sorted({str(facts.get("kernel", "")) for facts in rec.info["nodes"].values()} - {""})
    scope = f"Recording {rec.name} of {', '.join(rec.nodes) or 'no node'}"
    scope += f" (Linux {', '.join(kernels)})" if kernels else ""
    blocks: list[Block] = [Paragraph(
        f"{scope}: {format_utc(start)} to {format_utc(end, date=False)} UTC, {format_duration(end - start)}.")]
    if not verdicts:
        blocks.append(Note("No scenario was judged, so there is nothing to say about what happened."))
    if verdicts and len(brief) == len(verdicts):
        count = len({v.scenario for v in brief})
        blocks.append(Badge("quiet", "No trouble was found", f"{count} kinds of trouble were looked for."))
    for verdict in in_full(result):
        said = " ".join(sentence.text for sentence in verdict.summary)
        blocks.append(Badge(verdict.state, name_of(verdict, verdicts), said))
        blocks += map(Paragraph, result.beside(verdict))
        if verdict.state == "fired" and not result.explained(verdict):
            blocks.append(Tiles(_tiles(verdict)))
    if brief:
        blocks.append(quiet(brief))
    if rec.state != "complete":
        blocks.append(Note(f"The recording is {rec.state}: it ended before its time, and holds what came until then."))
    return Words(*blocks)


def _tiles(verdict: Verdict) -> list[Tile]:
    window, seen = verdict.window, verdict.detected
    tiles = []
    if verdict.culprit is not None:
        who = verdict.culprit
        told = next(((label, value) for label, value in (
            ("Started by", who.starter), ("Process", who.process), ("Peer", who.peer), ("File", who.file),
            ("Function", who.function), ("Cgroup", who.cgroup)) if value), None)
        if told:
            of = next((f"{what} {name}" for what, name in (("container", who.container), ("pod", who.pod)) if name), "")
            tiles.append(Tile(told[0], told[1], of or (who.cgroup if told[0] != "Cgroup" else "")))
    if seen is not None:
        if seen.onset_ns is not None:
            last = seen.to_ns or window.to_ns
            tiles.append(Tile("Began (UTC)", format_utc(seen.onset_ns, date=False)[:8],
                              f"lasted {format_duration(last - seen.onset_ns)}"
                              + ("" if seen.to_ns else ", to the end")))
        tiles.append(Tile("Peak", seen.peak, seen.title))
    tiles.append(Tile("Confidence", verdict.confidence.level,
                      f"{format_count(window.watched)} of {format_count(window.seconds)} s watched"))
    return tiles


def _each(
    result: Result, say: Callable[[Verdict], list[Block]], nothing: str, brief: Sequence[Block] = ()
) -> Words:
    """One part a verdict that is told in full, with its title where there are several; then the others in brief.

    A note where none has anything to say.
    """
    parts = [(verdict, blocks) for verdict in in_full(result) if (blocks := say(verdict))]
    out: list[Block] = []
    for verdict, blocks in parts:
        if len(result.verdicts) > 1:
            out.append(Heading(name_of(verdict, result.verdicts)))
        out += blocks
    if brief:
        out += [Heading("Looked for, and quiet"), *brief]
    return Words(*(out or [Note(nothing)]))


def impact(result: Result) -> Words:
    """Who or what suffered, and how much."""
    def say(verdict: Verdict) -> list[Block]:
        return [backed(verdict, s.text, s.evidence) for s in verdict.impact if verdict.state != "quiet"]

    return _each(result, say, "No scenario fired, and none reports an impact.")


def moments(rec: Recording, result: Result) -> list[tuple[int, str, str]]:
    """(UTC ns, node, what happened): alarms, what the verdicts found, gaps, start and end; in order, each once."""
    start, end = rec.window
    found = {(moment.ts_ns, verdict.node, moment.text) for verdict in result.ranked for moment in verdict.timeline}
    if not found:
        found = {(ts, node, f"The recording {what}.") for node in rec.nodes for ts, what in (
            (start, "starts"), (end, "ends"))}
    if "gaps" in rec:
        found |= {(gap["ts_ns"], gap["node"],
                   f"Nothing is known of {gap['table'] or 'any table'}"
                   f"{'' if gap['end_ns'] is None else ' for ' + format_duration(gap['end_ns'] - gap['ts_ns'])}"
                   f" ({(gap['reason'] or '').replace('_', ' ')}).") for gap in rec["gaps"].arrow().to_pylist()}
    return sorted(found)


def timeline(rec: Recording, result: Result) -> Words:
    """What happened when, in UTC: alarms, what the verdicts found, gaps, start and end of the recording."""
    found = moments(rec, result)
    several = len({v.node for v in result.verdicts}) > 1
    dates = len({ts // DAY for ts, _, _ in found}) > 1
    columns = [Col("UTC", "code"), *([Col("node")] if several else []), Col("what happened")]
    return Words(Table(columns, [[format_utc(ts, date=dates), *([node] if several else []), text]
                                 for ts, node, text in found]))


def cause(result: Result) -> Words:
    """Who did it and how we know: each sentence opens to its query and the rows that came back."""
    def say(verdict: Verdict) -> list[Block]:
        blocks: list[Block] = []
        if verdict.culprit is not None and verdict.culprit.text:
            blocks.append(backed(verdict, verdict.culprit.text, verdict.culprit.evidence))
        blocks += [backed(verdict, s.text, s.evidence) for s in verdict.summary]
        if verdict.culprit is not None and (facts := verdict.culprit.facts):
            blocks.append(Table([Col("culprit"), Col("", "code")], facts))
        return blocks

    brief = []
    for verdict in in_brief(result):
        said = " ".join(s.text for s in verdict.summary)
        evidence = dict.fromkeys(name for s in verdict.summary for name in s.evidence)
        brief.append(backed(verdict, said, evidence, lead=name_of(verdict, result.verdicts) + "."))
    return _each(result, say, "Nothing was judged, so there is no cause to name.", brief)


def detected(result: Result) -> Words:
    """Which alarm decided, on which condition, and how far to trust it."""
    def say(verdict: Verdict) -> list[Block]:
        blocks: list[Block] = []
        if verdict.detected is not None:
            seen = verdict.detected
            blocks.append(backed(verdict, seen.text, seen.evidence))
            raised = "not raised" if seen.raised_ns is None else format_utc(seen.raised_ns, date=False) + " UTC"
            blocks.append(Table(
                [Col("alarm", "code"), Col("condition", "code"), Col("worst", "number"), Col("state"), Col("raised")],
                [[seen.alarm + (f" of {seen.label}" if seen.label else ""), seen.condition, seen.peak, seen.state,
                  raised]]))
        lead = f"Confidence is {verdict.confidence.level}."
        return blocks + [backed(verdict, r.text, r.evidence, lead=lead) for r in verdict.confidence.reasons]

    rows = [[name_of(v, result.verdicts), v.detected.alarm, v.detected.condition, v.detected.peak, v.confidence.level]
            for v in in_brief(result) if v.detected is not None]
    columns = [Col("looked for"), Col("alarm", "code"), Col("condition", "code"), Col("worst", "number"),
               Col("confidence")]
    return _each(result, say, "Nothing was judged, so no alarm had a say.", [Table(columns, rows)] if rows else [])


def ruled_out(result: Result) -> Words:
    """Which other causes were looked for and are not it."""
    def say(verdict: Verdict) -> list[Block]:
        return [backed(verdict, cause.text, cause.evidence, lead=cause.cause[:1].upper() + cause.cause[1:] + ".")
                for cause in verdict.ruled_out]

    brief = [Details(f"{format_count(len(causes))} causes were looked for besides, and ruled out.", causes,
                     lead=name_of(v, result.verdicts) + ".") for v in in_brief(result) if (causes := say(v))]
    return _each(result, say, "No other cause was looked for.", brief)


def not_told(result: Result) -> Words:
    """What could not be told, and why: missing tables, short windows, lost events; what several say stands once."""
    said: dict[str, list[tuple[Verdict, Sentence]]] = {}
    for verdict in result.ranked:
        for sentence in verdict.could_not_tell:
            said.setdefault(sentence.text, []).append((verdict, sentence))
    blocks: list[Block] = []
    for text, by in said.items():
        names = list(dict.fromkeys(name_of(verdict, result.verdicts) for verdict, _ in by))
        lead = "" if len(by) == len(result.verdicts) else "; ".join(names) + "."
        blocks.append(backed(by[0][0], text, by[0][1].evidence, lead=lead))
    blocks += [Note(note) for note in result.notes]
    nothing = "Nothing that was asked remained open: all tables were there, and no loss could turn an answer."
    if any(verdict.state == "cannot_tell" for verdict in result.verdicts):
        nothing = "Besides the verdicts above that can't tell, nothing that was asked remained open."
    return Words(*(blocks or [Note(nothing)]))


def next_steps(result: Result) -> Words:
    """What to do, and how to see that it worked."""
    def say(verdict: Verdict) -> list[Block]:
        checks = [f"To see that it worked: {step.check}" if step.check else "" for step in verdict.next_steps]
        if not checks or verdict.state == "quiet":
            return []
        return [Steps([step.text for step in verdict.next_steps], ordered=True, hints=checks)]

    return _each(result, say, "Nothing needs to be done on account of this recording.")
