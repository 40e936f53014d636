"""What the scenarios say, each sentence with the rows it rests on; what was not on in the window is folded away.

A verdict is judged over the whole recording and its words stay its own; what follows the window is which of them stand
open, when their alarms were on in it, and which of the rows come first.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...display.words import Badge, Block, Col, Details, Heading, Note, Paragraph, Steps, Table, Words
from ...postmortem.evidence import backed
from ...postmortem.words import name_of
from ...units import format_count, format_duration, format_utc
from ..lit import lit
from ..part import Part
from ..view import Window

if TYPE_CHECKING:
    from ...verdict import Verdict
    from ..investigation import Investigation

GROUP, PLACE = "verdicts", 0
TITLE = "Verdicts"
ABOUT = "What was judged, over the whole recording. Each sentence opens to its query and the rows that came back."
MOST_ALARMS = 8


def parts(investigation: Investigation) -> list[Part]:
    """Badges with their sentences; what fired at another time, and what is quiet, folded at the end."""
    verdicts = investigation.verdicts()
    if not verdicts:
        return [Part(Words(Note("No scenario fits what was recorded, so nothing was judged.")))]
    quiet = [v for v in verdicts if v.state == "quiet"]
    elsewhere = [v for v in verdicts if v.state == "fired" and not investigation.alarms(v)]
    blocks: list[Block] = []
    for verdict in verdicts:
        if verdict not in quiet and verdict not in elsewhere:
            blocks += _told(investigation, verdict, name_of(verdict, verdicts))
    for verdict in elsewhere:
        name = name_of(verdict, verdicts)
        blocks.append(Details(f"{name}: fired, but not in this window. {_when(investigation, verdict)}",
                              _told(investigation, verdict, name)))
    if quiet:
        rows = [(name_of(v, verdicts), " ".join(s.text for s in v.summary)) for v in quiet]
        table = Table([Col("scenario"), Col("what was seen")], rows)
        # a long table would stand between what happened and its signals
        blocks += [Details(f"Looked for, and not found: {_many(len(quiet))}", [table])] if blocks else [
            Heading("Looked for, and not found"), table]
    return [Part(Words(*_lead(investigation, verdicts), *blocks))]


def _lead(investigation: Investigation, verdicts: tuple[Verdict, ...]) -> list[Block]:
    """What follows the view and what does not, where it is not of the whole recording."""
    is_whole = investigation.window == investigation.everything
    if is_whole and not investigation.filters:
        return []
    said = []
    if not is_whole and not any(investigation.alarms(verdict) for verdict in verdicts):
        fired = any(verdict.state == "fired" for verdict in verdicts)
        said.append("No alarm was on in this window" + (
            "; what fired at another time is folded below." if fired else ", nor at any other time."))
    first = [] if is_whole else ["in this window"]
    first += ["of what the filters name"] if investigation.filters else []
    said.append("Verdicts are judged over the whole recording, and their words and numbers are of all of it. Of the "
                f"rows that they rest on, those {' and '.join(first)} come first, wherever a row tells that.")
    return [Note(" ".join(said))]


def _many(count: int) -> str:
    return "one scenario" if count == 1 else f"{count} scenarios"


def _told(investigation: Investigation, verdict: Verdict, name: str) -> list[Block]:
    light = partial(lit, view=investigation.view, everything=investigation.everything, node=verdict.node)
    said = " ".join(sentence.text for sentence in verdict.summary)
    blocks: list[Block] = [Badge(verdict.state, name, said)]
    if when := _when(investigation, verdict):
        blocks.append(Paragraph(when))
    if investigation.window != investigation.everything:
        blocks += _on(investigation, verdict)
    sentences = [*verdict.summary, *verdict.impact]
    if verdict.culprit is not None and verdict.culprit.text:
        blocks.append(backed(verdict, verdict.culprit.text, verdict.culprit.evidence, "Who:", light))
    blocks += [backed(verdict, s.text, s.evidence, light=light) for s in sentences if s.evidence]
    if verdict.could_not_tell:
        blocks.append(Details("What could not be told", [Paragraph(s.text) for s in verdict.could_not_tell]))
    return blocks


def _when(investigation: Investigation, verdict: Verdict) -> str:
    """Began at 12:00:05 UTC, ended at 12:00:20 (15 s). '' where it never was on."""
    seen = verdict.detected
    if seen is None or seen.onset_ns is None:
        return ""
    end = _end(seen.to_ns, investigation.everything)
    ended = f"ended at {_clock(end)}" if seen.to_ns is not None else "still on when the recording ended"
    return f"Began at {_clock(seen.onset_ns)} UTC, {ended} ({format_duration(max(0, end - seen.onset_ns))})."


def _on(investigation: Investigation, verdict: Verdict) -> list[Block]:
    """Its alarms that were on in the window, with their times in it."""
    alarms = investigation.alarms(verdict)
    said = [_times(alarm, investigation.window, investigation.everything) for alarm in alarms[:MOST_ALARMS]]
    if len(alarms) > MOST_ALARMS:
        said.append(f"{format_count(len(alarms) - MOST_ALARMS)} more alarms.")
    if not said:
        return [Paragraph("None of its alarms was on in this window.")]
    return [Paragraph("Its alarms in this window:"), Steps(said)]


def _times(alarm: dict[str, Any], window: Window, everything: Window) -> str:
    """A process waited for slow syncs (crit): from 12:00:05 to 12:00:09 UTC, 4 s of its 15 s."""
    name = " · ".join(filter(None, (alarm["title"], alarm["label"])))
    first, last = alarm["onset_ns"], _end(alarm["to_ns"], everything)
    start, end = max(first, window.start_ns), min(last, window.end_ns)
    share = "all the time that it was on" if (start, end) == (first, last) else (
        f"{format_duration(end - start)} of the {format_duration(last - first)} that it was on")
    return f"{name} ({alarm['state']}): from {_clock(start)} to {_clock(end)} UTC, {share}."


def _end(to_ns: int | None, everything: Window) -> int:
    """When an alarm ended, as far as the recording goes."""
    return min(to_ns or everything.end_ns, everything.end_ns)


def _clock(ts_ns: int) -> str:
    return format_utc(ts_ns, date=False)[:8]
