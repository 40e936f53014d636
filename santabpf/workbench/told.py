"""An investigation told in a notebook: what was looked at, what was found, and panels as plain output.

In: an Investigation, or what one kept. Out: display values; show() displays them. Never: a widget.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..display import Words
from ..display.words import Block, Heading, Note, Paragraph, Steps
from ..errors import BadUsage
from ..units import format_utc
from .investigation import Investigation


def restored(recording: str | Path, kept: str = "") -> Investigation:
    """The investigation of this recording that somebody else kept, as its JSON; changes to it are kept nowhere.

    kept: the text of a sidecar file; empty for the whole recording. Raises BadUsage where it is none, RecordingError.
    """
    investigation = Investigation(recording, sidecar=None)
    if kept:
        try:
            investigation.restore(json.loads(kept))
        except (ValueError, KeyError, TypeError) as exc:
            raise BadUsage(f"this is no investigation: {exc}") from exc
    return investigation


def findings(investigation: Investigation) -> Words:
    """What is shown below, and each finding: the note, who made it, and what they looked at."""
    view = investigation.view
    blocks: list[Block] = [Paragraph(f"What is shown below: {view.window}.")]
    if view.filters:
        blocks += [Paragraph("Only what has to do with:"), Steps([str(a_filter) for a_filter in view.filters])]
    if not investigation.findings:
        blocks.append(Note("Nobody marked a finding."))
    for number, finding in enumerate(investigation.findings, 1):
        by = f" by {finding.author}" if finding.author else ""
        blocks += [Heading(f"{number}. {finding.note}"),
                   Paragraph(f"Seen in: {finding.view}. Marked{by} on {format_utc(finding.made_ns)[:16]} UTC.")]
    return Words(*blocks)


def show(investigation: Investigation, panel: str) -> None:
    """Display a panel's parts, one below the other. Raises BadUsage where there is no such panel."""
    from IPython.display import display

    for part in investigation.panel(panel):
        if part.heading:
            display(Words(Heading(part.heading)))  # type: ignore[no-untyped-call]
        display(part.shown)  # type: ignore[no-untyped-call]
