"""What a recording's tables come to in each piece of time: one row a label, counted by DuckDB, never event by event.

In: a recording, the pieces to be counted in it, a Plan. Out: Cells: numpy arrays (labels x pieces). Never: judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..recording import Recording
from ..replay import Limits, Query
from ..replay.loss import read_loss
from ..units import SECOND
from .measures import GRAINS, Measure, Plan, is_numbered
from .window import Piece

if TYPE_CHECKING:
    import pyarrow as pa

#: Labels of a dimension that are kept: those with the largest share of any measure, in the incident or before.
MOST_LABELS = 200
#: Labels whose quantiles are asked for; each must have so many events on either side.
MOST_QUANTILES, LEAST_EVENTS = 20, 10
#: A quantile is read from a histogram of bins 2 ** (1 / BINS) wide: 9 %.
BINS = 8
#: Tables that name processes, the later the better: a name given by exec counts more than that of the parent.
_NAMING = ("fork", "processes", "process_cpu", "exec", "exit")

#: What is left out of a name to see whether it is of the same kind as another: uuids, long hex, numbers.
_DIGITS = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,}|[0-9]+"

Array = np.ndarray[Any, np.dtype[np.float64]]


class Cells(NamedTuple):
    """Sums of each measure, and how noisy each would be if nothing but chance were at work."""

    labels: list[Any]  # what the column holds ('' for the whole table), a # for numbers in names
    names: list[tuple[Any, Any]]  # the first and the last of those that the label stands for
    sums: dict[Measure, Array]  # labels x pieces
    variances: dict[Measure, Array]  # of these sums, if events (or grains) came by chance
    left_out: int  # labels that are too small to be here


class Asked:
    """One recording and the pieces of it that are counted. Holds a Query: close it, or use it as a context manager."""

    def __init__(self, recording: Recording, pieces: Sequence[Piece], count: int, limits: Limits | None) -> None:
        """count: numbers of pieces in all recordings together."""
        self.pieces, self.count = list(pieces), count
        self.query = Query(recording, limits)
        self.tables = [name for name in recording.tables if recording[name].rows or name == "loss"]
        self.from_ns, self.to_ns = min(p.from_ns for p in pieces), max(p.to_ns for p in pieces)
        cases = " ".join(f"WHEN second >= {p.from_ns} AND second < {p.to_ns} THEN {p.number}" for p in self.pieces)
        self._piece = f"CASE {cases} END"
        self.nodes = recording.nodes
        named = [name for name in _NAMING if name in self.tables]
        rows = " UNION ALL ".join(f"SELECT node, tgid, start_ns, comm, {at} AS place FROM {name}"
                                  for at, name in enumerate(named))
        self._names = f"SELECT node, tgid, start_ns, arg_max(comm, place) AS comm FROM ({rows}) GROUP BY ALL"
        self._naming = frozenset(named)

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *exc: object) -> None:
        self.query.close()

    def _run(self, sql: str, params: dict[str, Any] | None = None) -> pa.Table:
        return self.query.run(sql, params, from_ns=self.from_ns, to_ns=self.to_ns, whole=self._naming).table

    def watched(self) -> dict[str, Array]:
        """table -> seconds of each piece in which it was watched, on average over the nodes.

        Where a recording does not say what was watched, all of it was.
        """
        if "coverage" not in self.tables:
            lengths = np.zeros(self.count)
            for piece in self.pieces:
                lengths[piece.number] = (piece.to_ns - piece.from_ns) / SECOND
            return dict.fromkeys(self.tables, lengths)
        found = self._run(
            f'SELECT "table", {self._piece} AS piece, sum(span_ns)::DOUBLE AS ns FROM coverage '
            f"WHERE {self._piece} IS NOT NULL GROUP BY ALL ORDER BY ALL"
        )
        out: dict[str, Array] = {}
        for name, piece, ns in zip(*(found[c].to_pylist() for c in ("table", "piece", "ns")), strict=True):
            out.setdefault(name, np.zeros(self.count))[piece] = ns / SECOND / max(1, len(self.nodes))
        return out

    def lost(self) -> dict[str, Array]:
        """table -> rows of it that were lost in each piece."""
        out: dict[str, Array] = {}
        for tables in read_loss(self.query, self.from_ns, self.to_ns).values():
            for name, seconds in tables.items():
                for second, rows in seconds.items():
                    for piece in self.pieces:
                        if piece.from_ns <= second < piece.to_ns:
                            out.setdefault(name, np.zeros(self.count))[piece.number] += rows
        return out

    # ------------------------------------------------------------------------------------------------- one table

    def _rows(self, plan: Plan, dimension: str, columns: Sequence[str]) -> str:
        """The table's rows with piece, label and these columns, as a WITH clause named `given`."""
        wanted = "".join(f', t."{c}"' for c in dict.fromkeys(columns))
        if not dimension:
            return f"given AS (SELECT {self._piece} AS piece, '' AS label{wanted} FROM {plan.table} AS t)"
        if dimension == "comm" and plan.finds_comm:
            return (
                f"names AS ({self._names}), given AS (SELECT {self._piece} AS piece, names.comm AS label{wanted} "
                f"FROM {plan.table} AS t JOIN names USING (node, tgid, start_ns))"
            )
        return f'given AS (SELECT {self._piece} AS piece, t."{dimension}" AS label{wanted} FROM {plan.table} AS t)'

    def cells(self, plan: Plan, dimension: str, only: Sequence[str] | None = None) -> Cells:
        """The sums of every label of a dimension ('' is the whole table), or only of these labels (as text)."""
        if dimension == "comm" and plan.finds_comm and not self._naming:
            return Cells([], [], {m: np.zeros((0, self.count)) for m in plan.sums}, {}, 0)
        first, again, shares = [], [], []
        for at, measure in enumerate(plan.sums):
            grain = GRAINS.get(measure.unit, 1)
            value, each = ("1", "1") if not measure.column else (f'"{measure.column}"', f'abs("{measure.column}")')
            noise = f"{each} * {grain}::DOUBLE"
            if plan.is_events and measure.column:
                noise = f"greatest({each}::DOUBLE * {each}, {noise})"
            first.append(f"coalesce(sum({value}), 0)::DOUBLE AS s{at}, coalesce(sum({noise}), 0)::DOUBLE AS v{at}")
            again.append(f"sum(s{at}) AS s{at}, sum(v{at}) AS v{at}")
            shares.append(f"coalesce(sum(s{at}) / nullif(any_value(t{at}), 0), 0)")
        totals = ", ".join(f"sum(s{at}) AS t{at}" for at in range(len(plan.sums)))
        query = f"""
            WITH {self._rows(plan, dimension, [m.column for m in plan.sums if m.column])},
            counted AS (SELECT label AS raw, piece, {", ".join(first)} FROM given
                        WHERE piece IS NOT NULL AND label IS NOT NULL GROUP BY raw, piece),
            summed AS (SELECT {_kind(dimension)} AS label, piece, min(raw) AS least, max(raw) AS most,
                       {", ".join(again)} FROM counted GROUP BY ALL),
            totals AS (SELECT piece = 0 AS side, {totals} FROM summed GROUP BY ALL),
            sided AS (SELECT label, piece = 0 AS side, greatest({", ".join([*shares, "0"])}) AS share
                      FROM summed JOIN totals ON totals.side = (piece = 0) GROUP BY ALL),
            ranked AS (SELECT label, max(share) AS share FROM sided GROUP BY label),
            kept AS (SELECT label FROM ranked {"" if only is None else "WHERE list_contains($only, label::VARCHAR)"}
                     ORDER BY share DESC, label LIMIT {MOST_LABELS if only is None else len(only)})
            SELECT summed.*, (SELECT count(*) FROM ranked) AS labels FROM summed JOIN kept USING (label)
            ORDER BY label, piece"""
        found = self._run(query, None if only is None else {"only": list(only)})
        labels, place = _numbered(found["label"].to_pylist())
        piece = found["piece"].to_numpy()
        made: list[dict[Measure, Array]] = [{}, {}]
        for at, measure in enumerate(plan.sums):
            for kind, into in zip("sv", made, strict=True):
                into[measure] = np.zeros((len(labels), self.count))
                into[measure][place, piece] = found[f"{kind}{at}"].to_numpy()
        names: dict[Any, tuple[Any, Any]] = {}
        for label, least, most in zip(*(found[c].to_pylist() for c in ("label", "least", "most")), strict=True):
            one, other = names.get(label, (least, most))
            names[label] = min(one, least), max(other, most)
        known = found["labels"][0].as_py() if found.num_rows else 0
        return Cells(labels, [names[label] for label in labels], made[0], made[1], known - len(labels))

    def histogram(self, plan: Plan, dimension: str, measure: Measure, labels: Sequence[str]) -> dict[str, Array]:
        """label (as text) -> pieces x bins: events of that length; bin n starts at 2 ** (n / BINS)."""
        column = measure.column
        many = f'sum("{measure.weight}")' if measure.weight else "count(*)"
        query = f"""
            WITH {self._rows(plan, dimension, [column, *([measure.weight] if measure.weight else [])])},
            counted AS (SELECT label AS raw, piece, floor({BINS} * log2(greatest("{column}", 1)))::INTEGER AS bin,
                        {many}::DOUBLE AS events
                        FROM given WHERE piece IS NOT NULL AND "{column}" IS NOT NULL GROUP BY ALL)
            SELECT {_kind(dimension)}::VARCHAR AS label, piece, bin, sum(events) AS events FROM counted
            WHERE list_contains($only, {_kind(dimension)}::VARCHAR) GROUP BY ALL ORDER BY ALL"""
        found = self._run(query, {"only": list(labels)})
        out = {name: np.zeros((self.count, 64 * BINS)) for name in labels}
        for name, piece, at, events in zip(
            *(found[c].to_pylist() for c in ("label", "piece", "bin", "events")), strict=True
        ):
            out[name][piece, at] += events
        return out


def _kind(dimension: str) -> str:
    """The label under which a raw one is counted."""
    return f"regexp_replace(raw, '{_DIGITS}', '#', 'g')" if is_numbered(dimension) else "raw"


def _numbered(labels: list[Any]) -> tuple[list[Any], np.ndarray[Any, np.dtype[np.int64]]]:
    """The different labels, and for each row the place of its own."""
    places: dict[Any, int] = {}
    numbers = [places.setdefault(label, len(places)) for label in labels]
    return list(places), np.asarray(numbers, dtype=np.int64)
