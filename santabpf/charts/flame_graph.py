"""Stacks merged into a tree: which functions the time went to, and who called them.

The table that comes in has one row for each different stack, outermost frame first:
    frames   list<string>  what each frame is called: a function, or module+offset where no symbol was found
    kinds    list<string>  of each frame, one of KINDS
    modules  list<string>  the file or kernel module that each frame is from, null or '' where it has none
    value    int64         samples in which this was the stack, or ns that passed in it
and says in its metadata (`unit`), or the caller says, whether value is `samples` or `ns`. Equal stacks in several rows
are added up. A frame of kind `cut` stands for callers that nobody knows; its name says why. Files: flame_files.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..display.flame import Flame, Frame
from ..errors import BadUsage, nearest
from ..units import format_count
from .look import Tabular, arrow, ints

Unit = Literal["samples", "ns"]
KINDS = ("user", "kernel", "jit", "unresolved", "cut", "thread")
#: The root, and what stands for frames that are too narrow to be shown.
ALL, SMALL = "all", "small"
#: The two inputs of a difference are of different lengths; each is counted as so many parts.
WHOLE = 1_000_000_000

_Ints = np.ndarray[Any, np.dtype[np.int64]]


class Boxes(NamedTuple):
    """The merged tree as columns of int64, one entry a frame, callers before what they call; the first is the root."""

    parent: _Ints  # its place in these columns, -1 for the root's
    depth: _Ints
    start: _Ints
    width: _Ints
    self_value: _Ints  # spent in the frame itself, in none that it called
    self_before: _Ints  # the same of the first input of a difference; without one, as self_value
    symbol: _Ints  # which of FlameInfo's symbols it is


class Columns(NamedTuple):
    """The same as plain values, and what each frame is called."""

    parent: tuple[int, ...]
    depth: tuple[int, ...]
    start: tuple[int, ...]
    width: tuple[int, ...]
    self_value: tuple[int, ...]
    self_before: tuple[int, ...]
    name: tuple[str, ...]
    module: tuple[str, ...]
    kind: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FlameInfo:
    """The merged tree.

    Children of a frame stand side by side, the widest first, those of equal width by name. `width` is the sum of
    self_value below, and `start` where it begins, both in the unit. In a difference both are in parts of WHOLE: the
    mean of a frame's shares before and after, so that what is only in one of them is seen as well. Where `seconds` says
    how long both took, these are shares of the busier one's second, not each of its own whole.

    sample_ns  how long one sample stands for
    symbols    name, module and kind of what the boxes stand for
    compared   it is a difference
    seconds    how long before and after took, if each second is compared
    """

    unit: Unit
    sample_ns: int | None
    boxes: Boxes
    symbols: Sequence[tuple[str, str, str]]
    compared: bool = False
    seconds: tuple[float, float] | None = None

    @cached_property
    def columns(self) -> Columns:
        """The tree as plain values."""
        numbers = (tuple(column.tolist()) for column in self.boxes[:-1])
        return Columns._make([*numbers, *zip(*(self.symbols[at] for at in self.boxes.symbol.tolist()), strict=True)])

    @property
    def total(self) -> int:
        """All samples, or all ns; of the second input in a difference."""
        return int(self.boxes.self_value.sum())

    def __len__(self) -> int:
        return len(self.boxes.parent)

    def __eq__(self, other: object) -> bool:
        def said(info: FlameInfo) -> tuple[Any, ...]:
            return info.unit, info.sample_ns, info.compared, info.seconds, info.columns

        return said(self) == said(other) if isinstance(other, FlameInfo) else NotImplemented


class _Texts(NamedTuple):
    """A column of texts: each once, and which one each row has."""

    known: list[str]
    which: _Ints

    @classmethod
    def of(cls, column: pa.Array | pa.ChunkedArray) -> _Texts:
        """'' for null."""
        known: dict[str, int] = {}
        which: list[_Ints] = []
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            encoded = pc.dictionary_encode(chunk)
            place = [known.setdefault(text or "", len(known)) for text in [*encoded.dictionary.to_pylist(), None]]
            which.append(np.array(place)[pc.fill_null(encoded.indices, len(place) - 1).to_numpy()])
        return cls(list(known) or [""], np.concatenate([np.empty(0, np.int64), *which]))

    def then(self, other: _Texts) -> _Texts:
        """Those of both, one after the other."""
        known = {text: at for at, text in enumerate(self.known)}
        place = np.array([known.setdefault(text, len(known)) for text in other.known])
        return _Texts(list(known), np.concatenate([self.which, place[other.which]]))


class _Stacks(NamedTuple):
    unit: Unit
    lengths: _Ints
    frames: tuple[_Texts, _Texts, _Texts]  # name, module, kind of all frames of all stacks
    values: _Ints


def info(stacks: Tabular, *, unit: Unit | None = None, sample_ns: int | None = None) -> FlameInfo:
    """The tree of one recording's stacks; the order of rows makes no difference.

    unit       where the table's metadata does not say
    sample_ns  how long one sample stands for: 1 s / frequency; lets people read samples as time

    No rows give a tree of the root alone. Raises BadUsage for a table that is not as described above.
    """
    read = _read(stacks, unit)
    return _tree(read, read.values, None, sample_ns)


def difference(
    before: Tabular, after: Tabular, *, unit: Unit | None = None, sample_ns: int | None = None,
    seconds: tuple[float, float] | None = None,
) -> FlameInfo:
    """The tree of both, so that recordings of different lengths compare.

    seconds  how long before and after took: they are compared by what each second took. Without it each is counted as
             one whole: that does not say whether the whole took more time, only which frames have another share of it

    Raises BadUsage where both are not in the same unit, or lasted no time.
    """
    if seconds is not None and min(seconds) <= 0:
        raise BadUsage(f"stacks of {seconds[0]:g} s cannot be compared with stacks of {seconds[1]:g} s")
    one, two = _read(before, unit), _read(after, unit)
    if one.unit != two.unit:
        raise BadUsage(f"stacks in {one.unit} cannot be compared with stacks in {two.unit}")
    frames = tuple(first.then(second) for first, second in zip(one.frames, two.frames, strict=True))
    both = _Stacks(one.unit, np.concatenate([one.lengths, two.lengths]), cast(Any, frames),
                   np.concatenate([np.zeros_like(one.values), two.values]))
    return _tree(both, both.values, np.concatenate([one.values, np.zeros_like(two.values)]), sample_ns,
                 seconds)


def _read(stacks: Tabular, unit: Unit | None) -> _Stacks:
    table = arrow(stacks)
    said = unit or ((table.schema.metadata or {}).get(b"unit") or b"").decode()
    if said not in ("samples", "ns"):
        raise BadUsage(f"stacks are counted in samples or ns, not in {said!r}; say which with unit=")
    for column in ("frames", "kinds", "modules", "value"):
        if column not in table.column_names:
            raise BadUsage(f"a table of stacks has no column {column!r} (it has: {', '.join(table.column_names)})")
    lengths, flat = [], []
    for column in ("frames", "modules", "kinds"):
        lists = table.column(column)
        lengths.append(np.asarray(pc.fill_null(pc.list_value_length(lists), 0), dtype=np.int64))
        flat.append(_Texts.of(pc.list_flatten(lists)))
    if any((other != lengths[0]).any() for other in lengths[1:]):
        raise BadUsage("stacks: each row needs as many kinds and modules as frames")
    for kind in (flat[2].known[at] for at in np.unique(flat[2].which).tolist()):
        if kind not in KINDS:
            raise BadUsage(f"stacks: {kind!r} is no kind of frame; {nearest(kind, KINDS)}")
    values = ints(table, "value")
    if (values < 0).any():
        raise BadUsage("stacks: a value is missing or below zero")
    return _Stacks(cast(Unit, said), lengths[0], cast(Any, tuple(flat)), values)


def _symbols(frames: tuple[_Texts, _Texts, _Texts]) -> tuple[_Ints, list[tuple[str, str, str]]]:
    """A number for each frame, and what the numbers stand for: (name, module, kind) in alphabetical order."""
    names, modules, kinds = (column.known for column in frames)
    name, module, kind = (column.which for column in frames)
    unique, number = _numbered((name * len(modules) + module) * len(kinds) + kind)
    known = [(names[k // len(kinds) // len(modules)], modules[k // len(kinds) % len(modules)], kinds[k % len(kinds)])
             for k in unique.tolist()]
    order = sorted(range(len(known)), key=known.__getitem__)
    rank = np.empty(len(known), dtype=np.int64)
    rank[order] = np.arange(len(known))
    return rank[number], [known[at] for at in order]


def _numbered(keys: _Ints) -> tuple[_Ints, _Ints]:
    """Each key once, in no order, and which of these each key is; by hash, which is faster than by order."""
    encoded = pc.dictionary_encode(pa.array(keys))
    return encoded.dictionary.to_numpy(), encoded.indices.to_numpy()


def _tree(
    stacks: _Stacks, after: _Ints, before: _Ints | None, sample_ns: int | None,
    seconds: tuple[float, float] | None = None,
) -> FlameInfo:
    """Level by level: stacks that are at the same node and go on with the same symbol go on to the same node."""
    number, symbols = _symbols(stacks.frames)
    begin = np.cumsum(stacks.lengths) - stacks.lengths
    counted = (after > 0) if before is None else (after > 0) | (before > 0)
    node = np.zeros(len(after), dtype=np.int64)
    parents, symbol = [np.array([-1])], [np.array([-1])]
    bounds = [0, 1]
    while (live := np.flatnonzero(counted & (stacks.lengths > len(bounds) - 2))).size:
        key = node[live] * len(symbols) + number[begin[live] + len(bounds) - 2]
        unique, inverse = _numbered(key)
        parents.append(unique // len(symbols))
        symbol.append(unique % len(symbols))
        node[live] = bounds[-1] + inverse
        bounds.append(bounds[-1] + len(unique))
    parent, named = np.concatenate(parents), np.concatenate(symbol)
    own = [np.zeros(bounds[-1], dtype=np.int64) for _ in range(2)]
    for at, values in enumerate((after, after if before is None else before)):
        np.add.at(own[at], node[counted], values[counted])
    drawn = own[0]
    if before is not None:
        wholes = [max(1.0, float(values.sum())) for values in own]
        if seconds is not None:
            pace = max(wholes[0] / seconds[1], wholes[1] / seconds[0])
            wholes = [pace * seconds[1], pace * seconds[0]]
        shares = [values / whole for values, whole in zip(own, wholes, strict=True)]
        drawn = np.sum([(WHOLE // 2 * share).astype(np.int64) for share in shares], axis=0)
    width, size = drawn.copy(), np.ones(bounds[-1], dtype=np.int64)
    levels = [slice(a, b) for a, b in pairwise(bounds)]
    for level in reversed(levels[1:]):
        np.add.at(width, parent[level], width[level])
        np.add.at(size, parent[level], size[level])
    start, place, depth = (np.zeros(bounds[-1], dtype=np.int64) for _ in range(3))
    for at, level in enumerate(levels[1:], 1):
        order = level.start + np.lexsort((named[level], -width[level], parent[level]))
        above = parent[order]
        first = np.searchsorted(above, above)  # of its siblings
        for sums, place_of, lead in ((width, start, 0), (size, place, 1)):
            run = np.cumsum(sums[order]) - sums[order]
            place_of[order] = place_of[above] + lead + run - run[first]
        depth[level] = at
    order = np.argsort(place)
    up = np.where(parent[order] < 0, -1, place[parent[order]])
    named[0] = len(symbols)  # the root
    boxes = Boxes(up, depth[order], start[order], width[order], own[0][order], own[1][order], named[order])
    return FlameInfo(stacks.unit, sample_ns, boxes, [*symbols, (ALL, "", ALL)], before is not None, seconds)


def without_small(info: FlameInfo, least: float) -> FlameInfo:
    """The tree without frames below this share of all; beside each frame that lost some stands one `(small)`.

    Nothing is lost in number: a (small) frame has the sum of what it stands for, and says how many frames that is.
    """
    boxes = info.boxes
    keep = boxes.width >= least * boxes.width[0]
    keep[0] = True
    lost = np.flatnonzero(~keep)
    if not lost.size:
        return info
    # of siblings the small ones are the last, and what is below them follows them: all that one (small) frame stands
    # for lies side by side, and the first of it gives it its place
    above = boxes.parent[lost]
    outermost = keep[above]
    tops = lost[outermost]
    begins = np.concatenate([[True], np.diff(boxes.parent[tops]) != 0])
    first = tops[begins]
    of_top = np.cumsum(begins) - 1
    of_lost = np.searchsorted(first, lost, side="right") - 1

    def sums(values: _Ints, which: _Ints) -> _Ints:
        out = np.zeros(len(first), dtype=np.int64)
        np.add.at(out, which, values)
        return out

    counts = np.bincount(of_lost)
    rows = np.sort(np.concatenate([np.flatnonzero(keep), first]))
    place = np.full(len(keep), -1)
    place[rows] = np.arange(len(rows))
    at = place[first]
    columns = Boxes(*(column[rows] for column in boxes))
    columns.parent[1:] = place[columns.parent[1:]]
    columns.width[at] = sums(boxes.width[tops], of_top)
    columns.self_value[at] = sums(boxes.self_value[lost], of_lost)
    columns.self_before[at] = sums(boxes.self_before[lost], of_lost)
    distinct, which = np.unique(counts, return_inverse=True)
    columns.symbol[at] = len(info.symbols) + which
    said = [("(small)", f"{format_count(n)} frame{'' if n == 1 else 's'}, each below {least * 100:.2g} % of all", SMALL)
            for n in distinct.tolist()]
    return replace(info, boxes=columns, symbols=[*info.symbols, *said])


def flame(
    info: FlameInfo, *, of: str = "", lead: str = "", note: str = "", least: float = 0.0,
    most_bytes: int | None = None,
) -> Flame:
    """The tree for our canvas.

    lead, note  sentences above and below it
    of          what is shared out, for people: 'CPU time' by default for samples, 'waiting time' for ns
    least       frames below this share of all are drawn as one `(small)` a parent, and counted in the note
    most_bytes  of HTML; where it would be more, `least` is raised until it fits
    """
    whole = of or {"samples": "CPU time", "ns": "waiting time"}[info.unit]
    made = _drawn(info, least, whole, lead, note)
    widest = np.sort(info.boxes.width)[::-1]
    while most_bytes is not None and (size := len(made.html())) > most_bytes and len(made.frames) > 2:
        most = int(0.9 * len(made.frames) * most_bytes / size)  # frames of the widest, if all took as many bytes
        least = max(1.01 * least, (widest[most] + 0.5) / max(1, widest[0]))
        made = _drawn(info, least, whole, lead, note)
    return made


def _drawn(info: FlameInfo, least: float, whole: str, lead: str, note: str) -> Flame:
    drawn = without_small(info, least)
    notes = [note] if note else []
    if drawn is not info:
        notes.append(f"Frames below {least * 100:.2g} % of all are drawn together, as (small); the files that can be "
                     "saved hold what is drawn.")
    tree = drawn.columns
    before = tree.self_before if info.compared else (0,) * len(drawn)
    frames = [Frame(*frame) for frame in zip(
        tree.depth, tree.name, tree.module, tree.kind, tree.self_value, before, strict=True)]
    return Flame(frames, info.unit, whole, " ".join(notes), lead=lead, sample_ns=info.sample_ns,
                 compared=info.compared, seconds=info.seconds)
