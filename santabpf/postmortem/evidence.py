"""A sentence with what it rests on: the query, its parameters, and the rows that came back, formatted for people.

In: a verdict's sentences and evidence. Out: blocks. Never: a query run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from ..display.words import Block, Code, Col, Details, Paragraph, Table
from ..units import format_count
from ..verdict import Cell, Evidence, Verdict, format_cell


class Lit(NamedTuple):
    """The rows of a piece of evidence that are looked for, by their places, and what they are: 'in this window'."""

    rows: Sequence[int]
    why: str


#: Which rows of it are looked for; None: its rows don't tell, or nothing is.
Light = Callable[[Evidence], Lit | None]


def backed(
    verdict: Verdict, sentence: str, names: Iterable[str], lead: str = "", light: Light = lambda _: None
) -> Details:
    """The sentence, which opens to the evidence of these names."""
    wanted = list(names)
    found = sorted((e for e in verdict.evidence if e.name in wanted), key=lambda e: wanted.index(e.name))
    lit = {evidence.name: light(evidence) for evidence in found}
    aside = f"{len(found)} queries" if len(found) > 1 else "".join(
        f"{e.name}: {_rows(e.count)}" for e in found)
    if known := [one for one in lit.values() if one is not None]:
        count = sum(len(one.rows) for one in known)
        aside += f", {count or 'none'} in this view" if len(found) == 1 else f", {_rows(count)} in this view"
    inside = [block for evidence in found for block in shown(evidence, lit[evidence.name])]
    return Details(sentence, inside, aside, lead)


def shown(evidence: Evidence, lit: Lit | None = None) -> list[Block]:
    """One piece of evidence: what it is, its rows, those that are lit first, and the query with its parameters."""
    kept = len(evidence.rows)
    notes = [f"The first {kept} of {format_count(evidence.count)} rows."] if evidence.count > kept else []
    places = list(range(kept))
    if lit is not None:
        notes.append(_of_all(lit, kept, whole=evidence.count <= kept))
        places.sort(key=lambda place: place not in lit.rows)
    columns = [Col(name, _kind(evidence, at)) for at, name in enumerate(evidence.columns)]
    rows = [[format_cell(name, value) for name, value in zip(evidence.columns, row, strict=True)]
            for row in (evidence.rows[place] for place in places)]
    query: list[Block] = [Code(evidence.sql.strip())]
    if evidence.params:
        query.append(Paragraph("with " + ", ".join(_given(*param) for param in sorted(evidence.params.items()))))
    return [
        Table(columns, rows, note=" ".join(notes), caption=evidence.title, empty=f"{evidence.title}: no rows.",
              lit=None if lit is None else len(lit.rows)),
        Details("The query", query, f"{len(evidence.sql.strip().splitlines())} lines of SQL", folded=True),
    ]


def _of_all(lit: Lit, kept: int, *, whole: bool) -> str:
    """3 of 10 rows are in this window: the first ones."""
    count = len(lit.rows)
    where = "" if count in (0, kept) else ": the first one" if count == 1 else ": the first ones"
    return f"{count} of {'' if whole else 'these '}{_rows(kept)} {'is' if count == 1 else 'are'} {lit.why}{where}."


def _rows(count: int) -> str:
    return f"{format_count(count)} row{'' if count == 1 else 's'}"


def _given(name: str, value: Cell) -> str:
    """A parameter as the query takes it, and what that is for people."""
    said = format_cell(name, value)
    return f"${name} = {said}" if said == str(value) or not isinstance(value, int) else f"${name} = {value} ({said})"


def _kind(evidence: Evidence, at: int) -> Literal["number", "code"]:
    """Whole numbers stand at the right; all else, times of day too, is set as code."""
    values = [row[at] for row in evidence.rows if row[at] is not None]
    whole = bool(values) and all(isinstance(value, int) for value in values)
    return "number" if whole and ":" not in format_cell(evidence.columns[at], values[0]) else "code"
