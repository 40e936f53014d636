"""Who has most of it: sums over several tables, grouped by one thing that all of them name, as one table.

In: a lens, a view, measures. Out: a display table and what each row of it stands for. The sums are DuckDB's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..display.words import Col, Table
from ..units import format_bytes, format_count, format_duration
from .lens import Lens
from .part import unreached
from .view import View

MOST_ROWS, MOST_COLUMNS = 15, 6
_FORMATS = {"ns": format_duration, "bytes": format_bytes, "count": format_count}


class Measure(NamedTuple):
    """A column: its title, the table it comes from, the sum over it, the unit (ns, bytes or count), what it means."""

    title: str
    table: str
    sum: str
    unit: str
    about: str = ""


class Ranking(NamedTuple):
    """The table, and the key of each of its rows."""

    table: Table
    keys: list[tuple[Any, ...]]


def rank(
    lens: Lens, view: View, measures: Sequence[Measure], keys: Mapping[str, Sequence[str]], heads: Mapping[int, Col],
    empty: str, note: str = "",
) -> Ranking:
    """The rows that have most.

    measures  in the order of the columns; of those that have anything the first few are shown. A row's place is by
              its shares of them, added up
    keys      table -> the SQL of each part of the key; tables that are not in it, or not recorded, are left out
    heads     which parts of the key are shown, and under which heading
    empty     the sentence where there is no row
    note      what is said below in any case
    """
    present = [m for m in measures if m.table in keys and lens.has(m.table)]
    tables = list(dict.fromkeys(m.table for m in present))
    found: dict[tuple[Any, ...], list[int]] = {}
    for table in tables:
        own = [at for at, m in enumerate(present) if m.table == table]
        names = [f"k{at}" for at in range(len(keys[table]))]
        columns = [f"{sql} AS {name}" for sql, name in zip(keys[table], names, strict=True)]
        columns += [f"coalesce(({present[at].sum})::bigint, 0) AS m{at}" for at in own]
        rows = lens.ask(view, f"SELECT {', '.join(columns)} FROM [{table}] GROUP BY ALL "
                              f"ORDER BY {', '.join(f'm{at} DESC' for at in own)} LIMIT 5000").to_pylist()
        for row in rows:
            key = tuple(row[name] for name in names)
            if key[0] is not None and any(row[f"m{at}"] for at in own):
                sums = found.setdefault(key, [0] * len(present))
                for at in own:
                    sums[at] = row[f"m{at}"]
    shown = [at for at in range(len(present)) if any(sums[at] for sums in found.values())][:MOST_COLUMNS]
    whole = [sum(sums[at] for sums in found.values()) or 1 for at in range(len(present))]
    ranked = sorted(found, key=lambda key: (-sum(found[key][at] / whole[at] for at in shown), [str(k) for k in key]))
    largest = max((sums[shown[0]] for sums in found.values()), default=1) if shown else 1
    lines = []
    for key in ranked[:MOST_ROWS]:
        cells: list[Any] = [_text(key[at]) for at in heads]
        for nth, at in enumerate(shown):
            value = found[key][at]
            text = _FORMATS[present[at].unit](value) if value else "–"
            cells.append((text, value / (largest or 1)) if nth == 0 else text)
        lines.append(cells)
    notes = [f"{format_count(len(ranked) - MOST_ROWS)} more are not shown."] if len(ranked) > MOST_ROWS else []
    notes += [said for said in (unreached(lens, view, *tables), note) if said]
    columns_ = [*heads.values(), *(Col(present[at].title, "number" if nth else "bar", present[at].about)
                                   for nth, at in enumerate(shown))]
    return Ranking(Table(columns_, lines, note=" ".join(notes), empty=f"{empty} {note}".strip()), ranked[:MOST_ROWS])


def _text(value: Any) -> str:
    return "(no name)" if value in ("", None) else str(value)
