"""A piece of a panel: something to look at, and what a click on it stands for.

In: display values. Out: Part. Never: a widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..display import Figure, Flame, Lanes, Note, Words
from ..units import HOUR, MINUTE, MS, SECOND
from .view import Filter, View, Window

if TYPE_CHECKING:
    from .lens import Lens

_STEPS = (100 * MS, 200 * MS, 500 * MS, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 30 * SECOND, MINUTE,
          2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR)
#: What people can do about a table that is not there.
_RECORD = "Record it with: santabpf record NODE --probe"


class Part(NamedTuple):
    """picks: what the nth row, box or point stands for; a click on a frame of a flame graph stands for itself."""

    shown: Figure | Flame | Lanes | Words
    picks: Sequence[Filter | Window] = ()
    heading: str = ""


def sentence(text: str, heading: str = "") -> Part:
    """A sentence in place of a picture."""
    return Part(Words(Note(text)), heading=heading)


def not_recorded(what: str, *tables: str) -> str:
    """The sentence for tables that the recording has none of."""
    from ..probes import table_probe

    probes = dict.fromkeys(probe.name for table in tables if (probe := table_probe(table)))
    names = ", ".join(f"`{table}`" for table in tables)
    return f"Nothing is known of {what}: {names} {'was' if len(tables) == 1 else 'were'} not recorded. " \
           f"{_RECORD} {' --probe '.join(probes)}"


def unreached(lens: Lens, view: View, *tables: str) -> str:
    """The sentence for tables that can't be filtered; '' where all can."""
    whole = lens.unreached(view, *tables)
    return "" if not whole else (f"{', '.join(whole)} {'does' if len(whole) == 1 else 'do'} not tell whose each row "
                                 "is, so the filter does not apply there.")


def step_ns(span_ns: int, most: int, least: int = SECOND) -> int:
    """How long a column is so that no more than `most` of them cover the span."""
    fit = (step for step in _STEPS if step >= least and span_ns <= step * most)
    return next(fit, -(-span_ns // (most * HOUR)) * HOUR)
