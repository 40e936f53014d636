"""What a recording's tables come to in each piece of time: one row a label, counted by DuckDB, never event by event.

In: a recording, the pieces to be counted in it, a Plan. Out: Cells: numpy arrays (labels x pieces). Never: judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from ..recording import Recording
from ..replay import Limits, Query
from ..replay.loss import read_loss
from ..replay.sql import quote
from ..units import SECOND
from .measures import GRAINS, Measure, Plan, is_numbered
from .windows import Piece

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

    labels: list[str]  # what the column holds ('' for the whole table), a # for numbers in names
    names: list[tuple[str, str]]  # the first and the last of those that the label stands for
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

    def _given(self, plan: Plan, columns: Sequence[str]) -> str:
        """The table's rows that count, as a WITH clause named `given`: piece, a text for each dimension, columns."""
        wanted = "".join(f', t."{column}"' for column in dict.fromkeys(columns))
        names, join = "", ""
        if plan.finds_comm and self._naming:
            names, join = f"names AS ({self._names}), ", " LEFT JOIN names USING (node, tgid, start_ns)"
        found = {d: f"""CASE WHEN t."{d}" THEN 'yes' WHEN NOT t."{d}" THEN 'no' END""" for d in plan.flags}
        found |= {"comm": "names.comm" if join else "NULL::VARCHAR"} if plan.finds_comm else {}
        texts = "".join(f', {found.get(d) or f"""t."{d}"::VARCHAR"""} AS d{at}' for at, d in enumerate(plan.dimensions))
        return (
            f"{names}given AS (SELECT {self._piece} AS piece{texts}{wanted} FROM {plan.table} AS t{join} "
            f"WHERE {self._piece} IS NOT NULL)"
        )

    @staticmethod
    def _sets(plan: Plan, also: str = "") -> tuple[str, str]:
        """What names dimension and label of each row of the grouping by the whole and by each dimension; and that."""
        count = len(plan.dimensions)
        whole = [f"(piece{also})"] if plan.has_whole else []
        sets = ", ".join([*whole, *(f"(piece{also}, d{at})" for at in range(count))])
        if not count:
            return "'' AS dimension, '' AS raw", f"GROUP BY GROUPING SETS ({sets})"
        at = " ".join(f"WHEN grouping(d{at}) = 0 THEN {quote(d)}" for at, d in enumerate(plan.dimensions))
        raw = " ".join(f"WHEN grouping(d{at}) = 0 THEN d{at}" for at in range(count))
        said = f"CASE {at} ELSE '' END AS dimension, CASE {raw} ELSE '' END AS raw"
        return said, f"GROUP BY GROUPING SETS ({sets})"

    def cells(self, plan: Plan, only: Sequence[str] | None = None) -> dict[str, Cells]:
        """dimension -> sums of every label ('' is the whole table); or only of these, written as dimension=label."""
        first, again, shares = [], [], []
        for at, measure in enumerate(plan.sums):
            grain = GRAINS.get(measure.unit, 1)
            value, each = ("1", "1") if not measure.column else (f'"{measure.column}"', f'abs("{measure.column}")')
            noise = f"{each} * {grain}::DOUBLE"
            if plan.is_events and measure.column:
                noise = f"greatest({each}::DOUBLE * {each}, {noise})"
            first.append(f"coalesce(sum({value}), 0)::DOUBLE AS s{at}, coalesce(sum({noise}), 0)::DOUBLE AS v{at}")
            again.append(f"sum(s{at}) AS s{at}, sum(v{at}) AS v{at}")
            shares.append(f"coalesce(s{at} / nullif(sum(s{at}) OVER side, 0), 0)")
        said, grouping = self._sets(plan)
        kept = f"place <= {MOST_LABELS}" if only is None else "list_contains($only, dimension || '=' || label)"
        query = f"""
            WITH {self._given(plan, [m.column for m in plan.sums if m.column])},
            counted AS (SELECT {said}, piece, {", ".join(first)} FROM given {grouping}),
            summed AS (SELECT dimension, {_kind(plan)} AS label, piece, min(raw) AS least, max(raw) AS most,
                       {", ".join(again)} FROM counted WHERE raw IS NOT NULL GROUP BY dimension, label, piece),
            sided AS (SELECT dimension, label, piece = 0 AS is_incident, {", ".join(again)} FROM summed GROUP BY ALL),
            shared AS (SELECT dimension, label, greatest({", ".join([*shares, "0"])}) AS share
                       FROM sided WINDOW side AS (PARTITION BY dimension, is_incident)),
            placed AS (SELECT dimension, label, row_number() OVER (of_all ORDER BY max(share) DESC, label) AS place,
                       count(*) OVER of_all AS labels FROM shared GROUP BY dimension, label
                       WINDOW of_all AS (PARTITION BY dimension))
            SELECT summed.*, placed.labels FROM summed JOIN placed USING (dimension, label) WHERE {kept}
            ORDER BY dimension, label, piece"""
        found = self._run(query, None if only is None else {"only": list(only)})
        return {d: _cells(plan, found.filter(pc.equal(found["dimension"], d)), self.count)
                for d in dict.fromkeys(found["dimension"].to_pylist())}  # fmt: skip

    def histograms(self, plan: Plan, measure: Measure, only: Sequence[str]) -> dict[str, Array]:
        """dimension=label -> pieces x bins: events of that length; bin n starts at 2 ** (n / BINS)."""
        column = measure.column
        many = f'sum("{measure.weight}")' if measure.weight else "count(*)"
        said, grouping = self._sets(plan, ", bin")
        given = self._given(plan, [column, *([measure.weight] if measure.weight else [])])
        query = f"""
            WITH {given},
            binned AS (SELECT *, floor({BINS} * log2(greatest("{column}", 1)))::INTEGER AS bin FROM given
                       WHERE "{column}" IS NOT NULL),
            counted AS (SELECT {said}, piece, bin, {many}::DOUBLE AS events FROM binned {grouping}),
            summed AS (SELECT dimension || '=' || {_kind(plan)} AS name, piece, bin, sum(events) AS events FROM counted
                       WHERE raw IS NOT NULL GROUP BY ALL)
            SELECT * FROM summed WHERE list_contains($only, name) ORDER BY ALL"""
        found = self._run(query, {"only": list(only)})
        out = {name: np.zeros((self.count, 64 * BINS)) for name in only}
        for name, piece, at, events in zip(
            *(found[c].to_pylist() for c in ("name", "piece", "bin", "events")), strict=True
        ):
            out[name][piece, at] += events
        return out


def _kind(plan: Plan) -> str:
    """The label under which a raw one is counted."""
    numbered = ", ".join(quote(d) for d in plan.dimensions if is_numbered(d))
    if not numbered:
        return "raw"
    return f"CASE WHEN dimension IN ({numbered}) THEN regexp_replace(raw, '{_DIGITS}', '#', 'g') ELSE raw END"


def _cells(plan: Plan, found: pa.Table, count: int) -> Cells:
    """The rows of one dimension, in the order of labels and pieces."""
    places: dict[str, int] = {}
    names: dict[str, tuple[str, str]] = {}
    place = []
    for label, least, most in zip(*(found[c].to_pylist() for c in ("label", "least", "most")), strict=True):
        place.append(places.setdefault(label, len(places)))
        one, other = names.get(label, (least, most))
        names[label] = min(one, least), max(other, most)
    piece = found["piece"].to_numpy()
    made: tuple[dict[Measure, Array], dict[Measure, Array]] = ({}, {})
    for at, measure in enumerate(plan.sums):
        for kind, into in zip("sv", made, strict=True):
            into[measure] = np.zeros((len(places), count))
            into[measure][place, piece] = found[f"{kind}{at}"].to_numpy()
    return Cells(list(places), list(names.values()), *made, found["labels"][0].as_py() - len(places))
