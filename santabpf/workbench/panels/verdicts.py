"""What the scenarios say, each sentence with the rows it rests on; first those whose alarm was on in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.words import Badge, Block, Col, Details, Heading, Note, Paragraph, Table, Words
from ...postmortem.evidence import backed
from ...postmortem.words import name_of
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
    verdicts, window = investigation.verdicts(), investigation.window
    if not verdicts:
        return [Part(Words(Note("No scenario fits what was recorded, so nothing was judged.")))]
    blocks: list[Block] = []
    for verdict in verdicts:
        if verdict.state != "quiet":
            blocks += _told(verdict, name_of(verdict, verdicts), window)
    quiet = [v for v in verdicts if v.state == "quiet"]
    if quiet:
        rows = [(name_of(v, verdicts), " ".join(s.text for s in v.summary)) for v in quiet]
        blocks += [Heading("Looked for, and not found"), Table([Col("scenario"), Col("what was seen")], rows)]
    return [Part(Words(*blocks))]


def _told(verdict: Verdict, name: str, window: Window) -> list[Block]:
    said = " ".join(sentence.text for sentence in verdict.summary)
    blocks: list[Block] = [Badge(verdict.state, name, said)]
    if verdict.detected is not None and verdict.detected.onset_ns is not None:
        on = Window(verdict.detected.onset_ns, verdict.detected.to_ns or verdict.window.to_ns)
        inside = on.start_ns < window.end_ns and on.end_ns > window.start_ns
        blocks.append(Paragraph(f"On from {on}" + ("." if inside else ": outside the window that you look at.")))
    sentences = [*verdict.summary, *verdict.impact]
    if verdict.culprit is not None and verdict.culprit.text:
        blocks.append(backed(verdict, verdict.culprit.text, verdict.culprit.evidence, "Who:"))
    blocks += [backed(verdict, s.text, s.evidence) for s in sentences if s.evidence]
    if verdict.could_not_tell:
        blocks.append(Details("What could not be told", [Paragraph(s.text) for s in verdict.could_not_tell]))
    return blocks
