"""Two moments compared: what changed, over every dimension of every table, with the noise beside it.

    windows.py   windows and their pieces       measures.py   what to ask of a table
    ask.py       DuckDB's sums by label         rank.py       change / noise
    changes.py   all statistics, ranked         comparison.py what comes out
    flames.py    the differential flame graph   one_page.py  all of it as one HTML page

In: windows of recordings. Out: Comparison. Never: says which change is the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import BadUsage
from ..recording import Recording
from ..replay import Limits
from .changes import Change, find
from .comparison import Comparison
from .one_page import page
from .windows import Window, check_apart, span, window

__all__ = ["Change", "Comparison", "Window", "compare", "page", "span", "window"]

Moment = Window | Recording | str | Path


def compare(
    incident: Moment, good: Moment | Sequence[Moment], *, tables: Iterable[str] | None = None,
    limits: Limits | None = None,
) -> Comparison:
    """What changed between a good moment and an incident.

        sb.compare("recordings/friday", "recordings/monday")
        sb.compare(sb.window(rec, "60s", "90s"), sb.window(rec, "0s", "60s"))

    incident  a window; or a recording, which is its whole window
    good      one or several of them, when nothing was wrong; cut into pieces, they show how much quiet moments differ
    tables    only these; all that both sides have by default

    Every measure (how many rows, sums, means, p50, p99) of every label of every dimension (command, file, peer, errno,
    cgroup, ...) is compared, a second for a second, so that lengths may differ. Rates are over the seconds in which the
    table was watched. At most 200 labels a dimension, the largest, are compared.

    Raises: BadUsage (windows that overlap or are empty), QueryFailed, MissingTable, RecordingError.
    """
    many = good if isinstance(good, Sequence) and not isinstance(good, str) else [good]
    first, rest = _window(incident), tuple(_window(one) for one in many)
    if not rest:
        raise BadUsage("there is no good moment to compare with")
    wanted = None if tables is None else list(tables)
    for name in wanted or ():
        for one in (first, *rest):
            one.recording[name]  # raises MissingTable
    check_apart([first, *rest])
    found = find(first, rest, wanted, limits)
    return Comparison(first, rest, found.changes, found.quiet, found.bar, found.notes)


def _window(moment: Moment) -> Window:
    return moment if isinstance(moment, Window) else window(moment)
