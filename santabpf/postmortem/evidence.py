"""A sentence with what it rests on: the query, its parameters, and the rows that came back, formatted for people.

In: a verdict's sentences and evidence. Out: blocks. Never: a query run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..display.words import Block, Code, Col, Details, Paragraph, Table
from ..units import format_count
from ..verdict import Cell, Evidence, Verdict, format_cell


def backed(verdict: Verdict, sentence: str, names: Iterable[str], lead: str = "") -> Details:
    """The sentence, which opens to the evidence of these names."""
    wanted = list(names)
    found = sorted((e for e in verdict.evidence if e.name in wanted), key=lambda e: wanted.index(e.name))
    aside = f"{len(found)} queries" if len(found) > 1 else "".join(
        f"{e.name}: {format_count(e.count)} row{'' if e.count == 1 else 's'}" for e in found)
    return Details(sentence, [block for evidence in found for block in shown(evidence)], aside, lead)


def shown(evidence: Evidence) -> list[Block]:
    """One piece of evidence: what it is, its rows, and the query with its parameters."""
    note = ""
    if evidence.count > len(evidence.rows):
        note = f"The first {len(evidence.rows)} of {format_count(evidence.count)} rows."
    columns = [Col(name, _kind(evidence, at)) for at, name in enumerate(evidence.columns)]
    rows = [[format_cell(name, value) for name, value in zip(evidence.columns, row, strict=True)]
            for row in evidence.rows]
    query: list[Block] = [Code(evidence.sql.strip())]
    if evidence.params:
        query.append(Paragraph("with " + ", ".join(_given(*param) for param in sorted(evidence.params.items()))))
    return [
        Table(columns, rows, note=note, caption=evidence.title, empty=f"{evidence.title}: no rows."),
        Details("The query", query, f"{len(evidence.sql.strip().splitlines())} lines of SQL", folded=True),
    ]


def _given(name: str, value: Cell) -> str:
    """A parameter as the query takes it, and what that is for people."""
    said = format_cell(name, value)
    return f"${name} = {said}" if said == str(value) or not isinstance(value, int) else f"${name} = {value} ({said})"


def _kind(evidence: Evidence, at: int) -> Literal["number", "code"]:
    """Whole numbers stand at the right; all else, times of day too, is set as code."""
    values = [row[at] for row in evidence.rows if row[at] is not None]
    whole = bool(values) and all(isinstance(value, int) for value in values)
    return "number" if whole and ":" not in format_cell(evidence.columns[at], values[0]) else "code"
