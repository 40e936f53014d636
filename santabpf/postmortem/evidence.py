"""A sentence with what it rests on: the query, its parameters, and the rows that came back, formatted for people.

In: a verdict's sentences and evidence. Out: blocks. Never: a query run again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from ..display.words import Block, Code, Col, Details, Note, Table
from ..units import format_bytes, format_count, format_duration, format_ratio, format_utc, seconds
from ..verdict import Evidence, Verdict

#: Later than 2001 in ns since the epoch; a `_ns` this large is a time, not a length.
_EPOCH = 10**18


def backed(verdict: Verdict, sentence: str, names: Iterable[str]) -> Details:
    """The sentence, which opens to the evidence of these names."""
    found = [verdict.find(name) for name in names]
    aside = ", ".join(f"{e.name}: {format_count(e.count)} row{'' if e.count == 1 else 's'}" for e in found)
    return Details(sentence, [block for evidence in found for block in shown(evidence)], aside)


def shown(evidence: Evidence) -> list[Block]:
    """One piece of evidence: what it is, its rows, and the query with its parameters."""
    note = ""
    if evidence.count > len(evidence.rows):
        note = f"The first {len(evidence.rows)} of {format_count(evidence.count)} rows."
    columns = [Col(name, _kind(name, evidence.rows, at)) for at, name in enumerate(evidence.columns)]
    rows = [[cell(name, value) for name, value in zip(evidence.columns, row, strict=True)] for row in evidence.rows]
    blocks: list[Block] = [
        Table(columns, rows, note=note, caption=evidence.title, empty=f"{evidence.title}: no rows."),
        Code(evidence.sql.strip()),
    ]
    if evidence.params:
        given = ", ".join(f"`${name}` = {cell(name, value)}" for name, value in sorted(evidence.params.items()))
        blocks.append(Note(f"with {given}"))
    return blocks


def _kind(name: str, rows: Iterable[tuple[Any, ...]], at: int) -> Any:
    values = [row[at] for row in rows if row[at] is not None]
    if values and all(isinstance(value, int) for value in values):
        return "text" if name.endswith("_ns") and values[0] > _EPOCH else "number"
    return "code"


def cell(name: str, value: Any) -> str:
    """One value as people read it, by the unit in its column's name.

    >>> cell("cpu_ns", 1_500_000), cell("argv", ["sh", "-c", "a b"]), cell("rows", None)
    ('1.5 ms', "sh -c 'a b'", '–')
    """
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return shlex.join(str(part) for part in value)
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    if name.endswith("_ns") or name == "second":
        if name.endswith("start_ns"):  # an identity: not rounded
            return f"{seconds(value):.2f} s after boot"
        return format_utc(value) if value > _EPOCH else format_duration(value)
    if name.endswith("_bytes"):
        return format_bytes(value)
    if name.endswith("_ppm"):
        return format_ratio(value / 1_000_000)
    if name.endswith(("_id", "tgid", "tid", "pid", "uid")) or name in ("code", "signal"):
        return str(value)
    return format_count(value)
