"""Which rows of a verdict's evidence a view is about: those of its window, and of what its filters name.

In: a view, evidence. Out: Lit, for a table that has these rows first. Never: a query; a row that is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..postmortem.evidence import Lit
from ..units import SECOND
from ..verdict import Cell, Evidence, is_moment
from .lens import FILES, PEERS
from .view import Filter, View, Window

_Row = dict[str, Cell]
_Test = Callable[[_Row], bool]


def lit(evidence: Evidence, view: View, everything: Window, node: str) -> Lit | None:
    """The rows that a view is about; None where the rows tell nothing of it, or it is of the whole recording.

    A row without a moment, or without a column of what a filter names, tells nothing of it: such columns are not asked.
    """
    rows = [dict(zip(evidence.columns, row, strict=True)) for row in evidence.rows]
    tests: list[tuple[str, _Test]] = []
    if view.window != everything and any(_moments(row) for row in rows):
        tests.append(("in this window", lambda row: _overlaps(_moments(row), view.window)))
    tests += [test for a_filter in view.filters if (test := _filtered(set(evidence.columns), a_filter, node))]
    if not rows or not tests:
        return None
    return Lit([at for at, row in enumerate(rows) if all(test(row) for _, test in tests)],
               " and ".join(why for why, _ in tests))


def _moments(row: _Row) -> list[tuple[int, int]]:
    """Each moment of a row, from and to; that of a second is as long as it."""
    return [(cell, cell + SECOND if "second" in name else cell + 1) for name, cell in row.items()
            if isinstance(cell, int) and is_moment(name, cell)]


def _overlaps(moments: list[tuple[int, int]], window: Window) -> bool:
    """Whether what lies between the first and the last of them does."""
    return bool(moments) and min(moments)[0] < window.end_ns and max(end for _, end in moments) > window.start_ns


def _filtered(columns: set[str], a_filter: Filter, node: str) -> tuple[str, _Test] | None:
    """What rows with these columns tell of a filter; a process is known by its command where they have no more."""
    wanted: dict[str, Any] = {}
    why = f"of {a_filter}"
    if a_filter.kind == "process" and "tgid" in columns:
        wanted = {"tgid": a_filter.tgid} | ({"start_ns": a_filter.start_ns} if "start_ns" in columns else {})
    elif a_filter.kind in ("process", "command") and "comm" in columns:
        wanted, why = {"comm": a_filter.value}, f"of command {a_filter.value}"
    elif a_filter.kind == "peer":
        wanted = {name: a_filter.value for name in PEERS if name in columns}
    elif a_filter.kind == "file" and (named := columns & set(FILES.values())):
        last = a_filter.value.split("/")[-1]
        return why, lambda row: any(str(row[name] or "").split("/")[-1] == last for name in named)
    if not wanted:
        return None
    here = a_filter.node in ("", node)
    return why, lambda row: here and all(row[name] == value for name, value in wanted.items())
