"""A piece of a panel: something to look at, and what a click on it stands for.

In: display values. Out: Part. Never: a widget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ..display import Figure, Flame, Lanes, Note, Words
from ..display.words import Table
from ..units import HOUR, MINUTE, MS, SECOND
from .view import Filter, View, Window

if TYPE_CHECKING:
    from .lens import Lens

_STEPS = (100 * MS, 200 * MS, 500 * MS, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 30 * SECOND, MINUTE,
          2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR)


class Part(NamedTuple):
    """picks: what the nth row, box or point stands for; a click on a frame of a flame graph stands for itself.

    boxes: of a flame graph, what the boxes around its frames stand for, by their names from the outermost one
    """

    shown: Figure | Flame | Lanes | Words
    picks: Sequence[Filter | Window] = ()
    heading: str = ""
    boxes: Mapping[tuple[str, ...], Filter] = MappingProxyType({})


def sentence(text: str, heading: str = "") -> Part:
    """A sentence in place of a picture."""
    return Part(Words(Note(text)), heading=heading)


def left(view: View, said: str) -> str:
    """What is said of a view: where filters are on, only of what they leave. `said` begins with a small letter."""
    return f"Of what the filters leave, {said}" if view.filters else said[:1].upper() + said[1:]


def not_recorded(what: str, *tables: str) -> str:
    """The sentence for tables that the recording has none of."""
    from ..probes import table_probe

    probes = dict.fromkeys(probe.name for table in tables if (probe := table_probe(table)))
    return f"Nothing is known of {what}: {_named(tables)} {'was' if len(tables) == 1 else 'were'} not recorded. " \
           f"Record it with: `santabpf record NODE --probe {' --probe '.join(probes)}`"


def only_recorded(lens: Lens, what: str, present: Sequence[str], *main: str) -> str:
    """The sentence where some tables were recorded, and not those that tell most; '' where one of these was.

    Without it, an empty panel would say that nothing happened where nobody looked.
    """
    if any(lens.has(table) for table in main):
        return ""
    return f"Of {what} only what is in {_named(present)} was recorded. {not_recorded('the rest', *main)}"


def _named(tables: Sequence[str]) -> str:
    return ", ".join(f"`{table}`" for table in tables)


def is_words(part: Part) -> bool:
    """Whether a part is nothing but a sentence: nothing to look at, nothing to click."""
    return isinstance(part.shown, Words) and not part.picks and all(
        isinstance(block, Note) or (isinstance(block, Table) and not block.rows) for block in part.shown.blocks)


def unreached(lens: Lens, view: View, *tables: str) -> str:
    """The sentence for tables that can't be filtered; '' where all can."""
    whole = lens.unreached(view, *tables)
    return "" if not whole else (f"{', '.join(whole)} {'does' if len(whole) == 1 else 'do'} not tell whose each row "
                                 "is, so the filter does not apply there.")


def step_ns(span_ns: int, most: int, least: int = SECOND) -> int:
    """How long a column is so that no more than `most` of them cover the span."""
    fit = (step for step in _STEPS if step >= least and span_ns <= step * most)
    return next(fit, -(-span_ns // (most * HOUR)) * HOUR)
