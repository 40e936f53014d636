"""A verdict for people: plain text for a terminal, Markdown for a wiki or an issue.

In: a Verdict. Out: text. Never: a character of a recording that acts: no escape code, no markup, no link.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..scenarios import visible
from ..units import format_bytes, format_duration, format_ratio, format_utc

if TYPE_CHECKING:
    from .model import Cell, Evidence, Verdict

_STATES = {"fired": "FIRED", "quiet": "quiet", "cannot_tell": "CANNOT TELL"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$^!])")


#: Columns and parameters that hold a moment, though their names could be those of a length.
_MOMENTS = ("end_ns", "first_ns", "last_ns", "from_ns", "to_ns")
#: No length is as long as this (31 years); such nanoseconds are a moment, whatever the column is called.
_LONGEST_NS = 10**18


def is_moment(column: str, cell: Cell) -> bool:
    """Whether a cell is a moment: nanoseconds, UTC."""
    named = column in ("ts_ns", "second") or column.endswith("_second") or column in _MOMENTS
    return isinstance(cell, int) and (named or (column.endswith("_ns") and abs(cell) >= _LONGEST_NS))


def format_cell(column: str, cell: Cell) -> str:
    """One cell of evidence for people, by the unit in its column's name; controls spelt out."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        return " ".join(visible(shlex.quote(word)) for word in cell)
    if isinstance(cell, int):
        if is_moment(column, cell):
            return format_utc(cell)
        if column.endswith("_ns") and "start" not in column:
            return format_duration(cell)
        if column.endswith("_bytes"):
            return format_bytes(cell)
        if column.endswith("_ppm"):
            return format_ratio(cell / 1_000_000)
        if column.endswith("_thousandths"):
            return f"{cell / 1000:.3g}"
    return visible(str(cell))


def to_text(verdict: Verdict) -> str:
    """Sections with a line for each sentence; evidence by name only."""
    lines = [f"{_STATES[verdict.state]}: {visible(verdict.title)} ({visible(verdict.node)})"]
    lines += [
        f"  {line}" for section, rows in _sections(verdict) for line in (["", section + ":"] if section else []) + rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _sections(verdict: Verdict) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each section that has any, as plain text."""
    yield "", [visible(s.text) for s in verdict.summary]
    if (who := verdict.culprit) is not None:
        yield "Who", [visible(t) for t in (who.text,) if t] + [f"{key}: {visible(t)}" for key, t in who.facts]
    if verdict.impact:
        yield "Impact", [visible(s.text) for s in verdict.impact]
    if verdict.detected is not None:
        yield "How it was detected", [visible(verdict.detected.text)]
    if verdict.timeline:
        yield "Timeline (UTC)", [f"{format_utc(m.ts_ns)}  {visible(m.text)}" for m in verdict.timeline]
    if verdict.ruled_out:
        yield "Ruled out", [f"{visible(r.cause)}: {visible(r.text)}" for r in verdict.ruled_out]
    if verdict.could_not_tell:
        yield "Could not be told", [visible(s.text) for s in verdict.could_not_tell]
    if verdict.next_steps:
        steps: list[str] = []
        for n, step in enumerate(verdict.next_steps, 1):
            steps.append(f"{n}. {visible(step.text)}")
            steps += [f"   To see that it worked: {visible(step.check)}"] if step.check else []
        yield "What to do next", steps
    trust = verdict.confidence
    yield "Confidence", [f"{trust.level}.", *(f"{visible(r.text)} [{', '.join(r.evidence)}]" for r in trust.reasons)]
    yield "Digest", [verdict.digest, *filter(None, [verdict.judged_by])]


def markdown_text(text: str) -> str:
    """Text as Markdown that shows just that text: no markup, no HTML, no link, no formula."""
    out = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = _SPECIAL.sub(r"\\\1", out)
    out = out.replace("@", "&#64;").replace("://", "&#58;//")
    out = re.sub(r"(?i)\bwww\.", "www&#46;", out)
    return re.sub(r"^(\d+)([.)])|^([-+=])", lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", out)


def to_markdown(verdict: Verdict) -> str:
    """Headings, lists, and the evidence as tables."""
    lines = [f"# {_STATES[verdict.state]}: {markdown_text(verdict.title)} ({markdown_text(verdict.node)})", ""]
    for section, rows in _sections(verdict):
        lines += [f"## {section}", ""] if section else []
        lines += [*(f"- {markdown_text(row.lstrip())}" for row in rows), ""]
    if verdict.evidence:
        lines += ["## Evidence", ""]
    for evidence in verdict.evidence:
        lines += _table(evidence)
    return "\n".join(lines).rstrip() + "\n"


def _table(evidence: Evidence) -> list[str]:
    more = f" (the first {len(evidence.rows)} of {evidence.count} rows)" if evidence.count > len(evidence.rows) else ""
    lines = [f"### {markdown_text(evidence.name)}: {markdown_text(evidence.title)}{more}", ""]
    if not evidence.rows:
        return [*lines, "No rows.", ""]
    lines.append("| " + " | ".join(markdown_text(c) for c in evidence.columns) + " |")
    lines.append("|" + " --- |" * len(evidence.columns))
    for row in evidence.rows:
        cells = (markdown_text(format_cell(c, cell)) for c, cell in zip(evidence.columns, row, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]
