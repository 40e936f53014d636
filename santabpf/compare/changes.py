"""Every statistic of every table in an incident against a good moment, and in each quiet piece against the others.

In: windows. Out: Found: changes, ranked, with the noise beside them. Never: draws, or decides what a change means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..recording import Recording
from ..replay import Limits
from ..units import format_count
from .ask import LEAST_EVENTS, MOST_QUANTILES, Array, Asked, Cells
from .measures import QUANTILES, Measure, Plan, plans, shown_label, telling
from .rank import quantile_score, rate_scores
from .windows import Piece, Window, pieces

_Answer = TypeVar("_Answer")
#: Less than so many quiet pieces say nothing of how much quiet moments differ.
LEAST_QUIET = 3
#: A score must be above this to be called more than noise, however alike quiet moments are, or if nothing says so.
BAR = 3.0


@dataclass(frozen=True)
class Change:
    """One statistic, in the incident and before.

    dimension, label  of what: comm nginx; both '' for all rows of the table
    also              other dimensions in which the very same rows stand, as 'dimension label'
    good, incident    its value: a second for a sum or count, else a mean or quantile
    score             change / noise, above 0 for more (see rank.py)
    quiet             the largest such score of this statistic among quiet pieces; None where they are too few
    doubt             why it may be less than it seems; ''
    """

    table: str
    measure: Measure
    dimension: str
    label: str
    good: float
    incident: float
    score: float
    quiet: float | None
    also: tuple[str, ...] = ()
    doubt: str = ""


class Found(NamedTuple):
    """All changes, the strongest first; the ranking of one quiet piece against the others; and what to know of them."""

    changes: tuple[Change, ...]
    quiet: tuple[Change, ...]  # of the typical piece: score is its score
    bar: float  # the score of the strongest of these, BAR at least
    notes: tuple[str, ...]


class _Row(NamedTuple):
    """A statistic with its score in the incident and in each quiet piece, and its value there."""

    change: Change
    scores: tuple[float, ...]  # of the quiet pieces
    values: tuple[tuple[float, float], ...]  # of each: its value, and that of the others
    key: tuple[Any, ...]  # the same for statistics of the same rows


class _Table(NamedTuple):
    """What is known of one table over all recordings."""

    plan: Plan
    seconds: Array
    lost: Array
    quiet: list[int]  # pieces in which it was watched


def find(
    incident: Window, good: Sequence[Window], tables: Iterable[str] | None = None, limits: Limits | None = None
) -> Found:
    """Compare. The windows must be apart. Raises QueryFailed, RecordingError."""
    cut = pieces(good)
    count = 1 + sum(len(parts) for parts in cut)
    by_path: dict[Any, tuple[Recording, list[Piece]]] = {}
    for one, parts in zip([incident, *good], [[Piece(0, incident.from_ns, incident.to_ns)], *cut], strict=True):
        by_path.setdefault(one.recording.path.resolve(), (one.recording, []))[1].extend(parts)
    wanted = None if tables is None else set(tables)
    rows: list[_Row] = []
    with ExitStack() as stack:
        asked = [stack.enter_context(Asked(rec, parts, count, limits)) for rec, parts in by_path.values()]
        known, notes = _tables(asked, count, wanted)
        for table in known:
            rows += _of_table(asked, table, notes)
    return _ranked(_merged(rows), notes)


def _tables(asked: Sequence[Asked], count: int, wanted: set[str] | None) -> tuple[list[_Table], list[str]]:
    """The tables that were watched on both sides; a note for each that was not, and for each that lost rows."""
    watched, lost = _each(asked, Asked.watched), _each(asked, Asked.lost)
    nothing = np.zeros(count)
    out, notes = [], []
    missing: dict[str, list[str]] = {"the incident": [], "the good moment": []}
    for name, plan in plans(sorted({name for one in asked for name in one.tables})).items():
        if wanted is not None and name not in wanted:
            continue
        seconds = sum((found.get(name, nothing) for found in watched), nothing)
        gone = sum((found.get(name, nothing) for found in lost), nothing)
        if not seconds[0] or not seconds[1:].any():
            missing["the good moment" if seconds[0] else "the incident"].append(name)
            continue
        if gone.any():
            notes.append(f"{name} lost events: {format_count(gone[0])} in the incident, "
                         f"{format_count(gone[1:].sum())} in the good moment.")  # fmt: skip
        whole = [at for at in range(1, count) if seconds[at] >= 0.5 * seconds[1:].max()]
        out.append(_Table(plan, seconds, gone, whole))
    notes += [f"Not recorded in {where}, and so not compared: {', '.join(names)}."
              for where, names in missing.items() if names]  # fmt: skip
    return out, notes


def _of_table(asked: Sequence[Asked], table: _Table, notes: list[str]) -> list[_Row]:
    """All statistics of all labels of all dimensions of one table."""
    plan = table.plan
    holding = [one for one in asked if plan.table in one.query.tables]
    dimensions = _together(_each(holding, lambda one: one.cells(plan)), holding, plan)
    turns = _turns(table)
    out: list[_Row] = []
    for dimension, cells in dimensions.items():
        if cells.left_out:
            notes.append(f"{plan.table} has {format_count(cells.left_out)} more values of {dimension}, too small to be "
                         "compared.")  # fmt: skip
        shown = _shown(dimension, cells)
        for measure, sums in cells.sums.items():
            scored = [rate_scores(sums, cells.variances[measure], table.seconds, one, rest) for one, rest in turns]
            for at, label in enumerate(shown):
                values = [(sums[at, one] / table.seconds[one], sums[at, rest].sum() / table.seconds[rest].sum())
                          for one, rest in turns]  # fmt: skip
                out.append(_row(table, measure, dimension, label, values, [float(s[at]) for s in scored],
                                tuple(np.round(sums[at], 3))))  # fmt: skip
    for same in {(m.column, m.weight): m for m in plan.quantiles}.values():
        out += _of_lengths(holding, table, dimensions, same)
    return out


def _of_lengths(
    asked: Sequence[Asked], table: _Table, dimensions: dict[str, Cells], measure: Measure
) -> list[_Row]:
    """The quantiles of one column, of every label that has events enough on both sides."""
    plan = table.plan
    many = next(m for m in plan.sums if m.column == measure.weight)
    wanted: dict[str, tuple[str, int]] = {}
    for dimension, cells in dimensions.items():
        counts = cells.sums[many]
        least = np.minimum(counts[:, 0], counts[:, 1:].sum(axis=1))
        most = [int(at) for at in np.argsort(-least, kind="stable")[:MOST_QUANTILES] if least[at] >= LEAST_EVENTS]
        wanted |= {f"{dimension}={cells.labels[at]}": (dimension, at) for at in most}
    if not wanted:
        return []
    found = _each(asked, lambda one: one.histograms(plan, measure, list(wanted)))
    turns, out = _turns(table), []
    for name, (dimension, at) in wanted.items():
        histogram = sum((each[name] for each in found), np.zeros_like(found[0][name]))
        label, counts = _shown(dimension, dimensions[dimension])[at], dimensions[dimension].sums[many][at]
        for each in (m for m in plan.quantiles if (m.column, m.weight) == (measure.column, measure.weight)):
            share, coarse = QUANTILES[each.kind], bool(each.weight)
            tried = [quantile_score(histogram, share, one, rest, coarse) for one, rest in turns]
            if tried[0] is not None:
                known = [one for one in tried if one is not None]
                out.append(_row(table, each, dimension, label, [(new, old) for _, new, old in known],
                                [score for score, _, _ in known], tuple(counts)))  # fmt: skip
    return out


def _each(asked: Sequence[Asked], ask: Callable[[Asked], _Answer]) -> list[_Answer]:
    """The answers of all recordings; each has a process of its own, so they are asked at once."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(ask, asked))


def _turns(table: _Table) -> list[tuple[int, list[int]]]:
    """The incident against all quiet pieces, then each of these against the others, if there are enough of them."""
    quiet = table.quiet
    return [(0, quiet)] + [(at, [o for o in quiet if o != at]) for at in (quiet if len(quiet) >= LEAST_QUIET else [])]


def _row(
    table: _Table, measure: Measure, dimension: str, shown: str, values: Sequence[tuple[float, float]],
    scores: Sequence[float], key: tuple[Any, ...],
) -> _Row:
    """values and scores: the first of the incident, the others of quiet pieces."""
    (incident, good), score = values[0], scores[0]
    quiet = max(map(abs, scores[1:])) if len(scores) > 1 else None
    change = Change(table.plan.table, measure, dimension, shown, float(good), float(incident), score, quiet, (),
                    _doubt(table, measure, incident - good))  # fmt: skip
    return _Row(change, tuple(scores[1:]), tuple(values[1:]), (table.plan.table, measure, key))


def _doubt(table: _Table, measure: Measure, change: float) -> str:
    """Could it be that the change is only what was lost on one of the sides?"""
    side, rest = (table.quiet, "the good moment") if change > 0 else ([0], "the incident")
    lost = table.lost[side].sum() / table.seconds[side].sum()
    if not change or not lost or (measure.kind == "count" and lost < abs(change)):
        return ""
    return f"events were lost in {rest}"


def _shown(dimension: str, cells: Cells) -> list[str]:
    """Labels for people: the name itself where the label stands for one only."""
    return ["" if not dimension else shown_label(dimension, least if least == most else label)
            for label, (least, most) in zip(cells.labels, cells.names, strict=True)]  # fmt: skip


def _together(found: list[dict[str, Cells]], asked: Sequence[Asked], plan: Plan) -> dict[str, Cells]:
    """The cells of all recordings as one. What one recording left out and another has is asked for again."""
    dimensions = list(dict.fromkeys(d for cells in found for d in cells))
    every = {d: list(dict.fromkeys(label for cells in found if d in cells for label in cells[d].labels))
             for d in dimensions}  # fmt: skip
    left_out = {d: max(cells[d].left_out for cells in found if d in cells) for d in dimensions}
    if len(found) > 1 and any(left_out.values()):
        wanted = [f"{d}={label}" for d, labels in every.items() for label in labels]
        found = _each(asked, lambda one: one.cells(plan, wanted))
    out = {}
    for d, labels in every.items():
        places = {label: at for at, label in enumerate(labels)}
        names: dict[str, tuple[str, str]] = {}
        sums, variances = ({m: np.zeros((len(labels), asked[0].count)) for m in plan.sums} for _ in range(2))
        for cells in (each[d] for each in found if d in each):
            at = [places[label] for label in cells.labels]
            for label, (least, most) in zip(cells.labels, cells.names, strict=True):
                one, other = names.get(label, (least, most))
                names[label] = min(one, least), max(other, most)
            for measure in plan.sums:
                sums[measure][at] += cells.sums[measure]
                variances[measure][at] += cells.variances[measure]
        out[d] = Cells(labels, [names[label] for label in labels], sums, variances, left_out[d])
    return out


def _merged(rows: Iterable[_Row]) -> list[_Row]:
    """Statistics of the very same rows as one: the most telling is shown, others are named in `also`."""
    by_key: dict[tuple[Any, ...], list[_Row]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    out = []
    for same in by_key.values():
        first, *others = sorted(same, key=lambda row: telling(row.change.dimension))
        also = tuple(f"{o.change.dimension} {o.change.label}" for o in others if o.change.dimension)
        out.append(first._replace(change=replace(first.change, also=also)))
    return out


def _ranked(rows: list[_Row], notes: list[str]) -> Found:
    """By score, the largest first; and the ranking of the quiet piece whose strongest change is the median one."""
    changes = sorted((row.change for row in rows if row.change.good or row.change.incident), key=_order)
    most = max((len(row.scores) for row in rows), default=0)
    if not most:
        notes.append("The good moment is too short to tell how much quiet moments differ: the noise is only what "
                     "counting brings with it. Choose a longer one, or several.")  # fmt: skip
        return Found(tuple(changes), (), BAR, tuple(dict.fromkeys(notes)))
    tops = [max(abs(row.scores[at]) for row in rows if len(row.scores) > at) for at in range(most)]
    typical = sorted(range(most), key=lambda at: tops[at])[most // 2]
    quiet = [
        replace(row.change, incident=float(row.values[typical][0]), good=float(row.values[typical][1]),
                score=row.scores[typical], doubt="")
        for row in rows if len(row.scores) > typical
    ]  # fmt: skip
    return Found(tuple(changes), tuple(sorted(quiet, key=_order)), max(BAR, tops[typical]), tuple(dict.fromkeys(notes)))


def _order(change: Change) -> tuple[Any, ...]:
    return -abs(change.score), change.table, change.measure.name, change.dimension, change.label
