"""What the scenarios say, each sentence with the rows it rests on; first those whose alarm was on in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.words import Badge, Block, Col, Details, Heading, Note, Paragraph, Table, Words
from ...postmortem.evidence import backed
from ...postmortem.words import name_of
from ...units import format_duration, format_utc
from ..part import Part
from ..view import Window

if TYPE_CHECKING:
    from ...verdict import Verdict
    from ..investigation import Investigation

GROUP, PLACE = "verdicts", 0
TITLE = "Verdicts"
ABOUT = "What was judged, over the whole recording. Each sentence opens to its query and the rows that came back."


def parts(investigation: Investigation) -> list[Part]:
    """Badges with their sentences; what is quiet in one table at the end."""
    verdicts, window, everything = investigation.verdicts(), investigation.window, investigation.everything
    if not verdicts:
        return [Part(Words(Note("No scenario fits what was recorded, so nothing was judged.")))]
    blocks: list[Block] = []
    for verdict in verdicts:
        if verdict.state != "quiet":
            blocks += _told(verdict, name_of(verdict, verdicts), window, everything)
    quiet = [v for v in verdicts if v.state == "quiet"]
    if quiet:
        rows = [(name_of(v, verdicts), " ".join(s.text for s in v.summary)) for v in quiet]
        table = Table([Col("scenario"), Col("what was seen")], rows)
        # a long table would stand between what happened and its signals
        blocks += [Details(f"Looked for, and not found: {_many(len(quiet))}", [table])] if blocks else [
            Heading("Looked for, and not found"), table]
    return [Part(Words(*blocks))]


def _many(count: int) -> str:
    return "one scenario" if count == 1 else f"{count} scenarios"


def _told(verdict: Verdict, name: str, window: Window, everything: Window) -> list[Block]:
    said = " ".join(sentence.text for sentence in verdict.summary)
    blocks: list[Block] = [Badge(verdict.state, name, said)]
    if verdict.detected is not None and verdict.detected.onset_ns is not None:
        blocks.append(Paragraph(_when(verdict.detected.onset_ns, verdict.detected.to_ns, window, everything)))
    sentences = [*verdict.summary, *verdict.impact]
    if verdict.culprit is not None and verdict.culprit.text:
        blocks.append(backed(verdict, verdict.culprit.text, verdict.culprit.evidence, "Who:"))
    blocks += [backed(verdict, s.text, s.evidence) for s in sentences if s.evidence]
    if verdict.could_not_tell:
        blocks.append(Details("What could not be told", [Paragraph(s.text) for s in verdict.could_not_tell]))
    return blocks


def _when(onset_ns: int, to_ns: int | None, window: Window, everything: Window) -> str:
    """Began at 12:00:05 UTC, ended at 12:00:20 (15 s)."""
    end = min(to_ns or everything.end_ns, everything.end_ns)
    start, until = (format_utc(ts, date=False)[:8] for ts in (onset_ns, end))
    ended = f"ended at {until}" if to_ns is not None else "still on when the recording ended"
    inside = onset_ns < window.end_ns and end > window.start_ns
    tail = "" if inside else " Not in the window that you look at."
    return f"Began at {start} UTC, {ended} ({format_duration(max(0, end - onset_ns))}).{tail}"
