"""A comparison: what changed, ranked, with the same ranking between quiet moments beside it.

In: what changes.py found. Out: a frame, words, a chart, JSON. Never: asks a recording again, but for flame().
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..charts import changes as chart
from ..display import Figure, Flame, Words
from ..display.words import Block, Col, Note, Paragraph, Table
from ..replay.stacks import WEIGHTS
from ..units import format_count
from .changes import Change
from .flames import flame
from .measures import shown_dimension, telling
from .windows import Window

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS, MOST_QUIET, MOST_DRAWN = 25, 5, 60
#: Values that differ by less than this share are the same for people: one row, not two.
ALIKE = 0.05
COLUMNS = (
    "table", "measure", "dimension", "label", "good", "incident", "unit", "score", "quiet", "is_beyond", "also",
    "doubt",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Every statistic in the incident and in the good moment, the strongest change first.

    changes  in the incident, against the good moment
    quiet    the same ranking of one quiet piece of the good moment against the others: what noise looks like
    bar      the strongest of these; what is not above it is as much as quiet moments differ
    notes    what was not compared, or lost
    """

    incident: Window
    good: tuple[Window, ...]
    changes: tuple[Change, ...]
    quiet: tuple[Change, ...]
    bar: float
    notes: tuple[str, ...]

    def is_beyond(self, change: Change) -> bool:
        """Is it more than any quiet moment showed, of this statistic, and more than the typical one of all of them?"""
        return abs(change.score) > max(self.bar, change.quiet or 0.0)

    @cached_property
    def beyond(self) -> tuple[Change, ...]:
        """The changes that are more than noise, the strongest first."""
        return tuple(change for change in self.changes if self.is_beyond(change))

    def to_frame(self, quiet: bool = False) -> pd.DataFrame:
        """One row is one statistic, the strongest change first; with `quiet`, of the ranking between quiet moments.

        table, measure, dimension, label ('' for the whole table); good, incident: values a second for sums and counts,
        else a mean or quantile, in unit (ns, bytes, count, ratio); score: change / noise; quiet: the largest score of
        this statistic among quiet moments, null where these are too few; is_beyond: more than noise; also: other
        dimensions with the same rows; doubt: why it may be less than it seems.
        """
        import pandas as pd

        rows = [_values(c, self.is_beyond(c)) for c in (self.quiet if quiet else self.changes)]
        numbers = {"good": "float64", "incident": "float64", "score": "float64", "quiet": "Float64"}
        numbers["is_beyond"] = "bool"
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({column: numbers.get(column, "str") for column in COLUMNS if column != "also"})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "incident": _window(self.incident), "good": [_window(w) for w in self.good], "bar": round(self.bar, 3),
            "changes": [dict(zip(COLUMNS, _values(c, self.is_beyond(c)), strict=True)) for c in self.changes],
            "quiet": [dict(zip(COLUMNS, _values(c, self.is_beyond(c)), strict=True)) for c in self.quiet],
            "notes": list(self.notes),
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------- for people

    @property
    def headline(self) -> str:
        """What came out, in one or two sentences, for who knows no table."""
        count, all_ = len(self.beyond), len(self.changes)
        if not all_:
            return "Nothing was counted in either window, so there is nothing to compare."
        measured = "differ among themselves" if self.quiet else "can differ by chance"
        said = f"{format_count(count)} of {format_count(all_)} numbers changed by more than quiet moments {measured}."
        if not count:
            return f"The two moments are alike, as far as was recorded: {said}"
        top = self.beyond[0]
        good, incident = (top.measure.shown(value, " a second") for value in (top.good, top.incident))
        return (
            f"What changed most: {_subject(top)}; {good} in the good moment, {incident} in the incident "
            f"({_source(top)}). In all, {said}"
        )

    @cached_property
    def words(self) -> Words:
        """The ranking, the one between quiet moments, and what to know of both."""
        blocks: list[Block] = [
            Paragraph(self.headline),
            Paragraph("Incident: " + str(self.incident) + ". Good: " + "; ".join(map(str, self.good)) + "."),
            self._table(self.beyond, "What changed", MOST_ROWS,
                        "Nothing changed by more than quiet moments differ among themselves."),
        ]  # fmt: skip
        if self.quiet:
            blocks += [
                self._table(self.quiet, "Noise: the same ranking, of one quiet moment against the others", MOST_QUIET,
                            "Between quiet moments, nothing differed at all."),
            ]  # fmt: skip
        blocks.append(Note(
            "In times its noise: with little noise 10 is twice as much, or half, and 20 the most there can be. Above "
            f"{self.bar:.1f} is more than "
            + ("the strongest change between quiet moments." if self.quiet else "chance would bring about.")
        ))  # fmt: skip
        blocks += [Note(note) for note in self.notes]
        return Words(*blocks)

    def _table(self, changes: Iterable[Change], caption: str, most: int, empty: str) -> Table:
        shown = _distinct(changes)
        columns = [Col("what", "told"), Col("of", "code"),
                   *(Col(title, "number") for title in ("good", "incident", "change")),
                   Col("in times its noise", "bar"), Col("when quiet", "number")]  # fmt: skip
        rows = [
            [(c.measure.words, _source(c)), _label(c) and _label(c) + (f" (+{more})" if more else ""),
             c.measure.shown(c.good), c.measure.shown(c.incident), times(c) + (" ?" if c.doubt else ""),
             (f"{c.score:+.1f}".replace("-", "−"), abs(c.score) / 20), "–" if c.quiet is None else f"{c.quiet:.1f}"]
            for c, more in shown[:most]
        ]  # fmt: skip
        notes = []
        if len(shown) > most:
            notes.append(f"{format_count(len(shown) - most)} more are not shown; to_frame() has all of them.")
        if any(more for _, more in shown[:most]):
            notes.append("(+1): so many other dimensions show the same.")
        if any(c.doubt for c, _ in shown[:most]):
            notes.append("A question mark: events were lost, which may be all there is to it.")
        return Table(columns, rows, note=" ".join(notes), empty=empty, caption=caption)

    def chart(self) -> Figure:
        """The ranking drawn: each statistic by its rank, beside those of the quiet moments."""
        info = chart.info(
            [(_words(c), c.score, c.quiet, self.is_beyond(c)) for c in self.changes[:MOST_DRAWN]],
            [(_words(c), c.score) for c in self.quiet[:MOST_DRAWN]], self.bar,
        )  # fmt: skip
        return Figure(chart.figure(info), info.caption)

    @property
    def stack_tables(self) -> list[str]:
        """The tables with stacks that all of the recordings have."""
        return [t for t in WEIGHTS if all(t in w.recording for w in (self.incident, *self.good))]

    def flame(self, table: str = "profile") -> Flame | Words:
        """Where the CPU time went (`profile`), or where threads waited (`offcpu`): red is more a second than before.

        A sentence where that was not recorded. Raises BadUsage for a table without stacks, QueryFailed.
        """
        return flame(self.incident, self.good, table)

    def to_text(self) -> str:
        """For a terminal."""
        return str(self.words)

    __str__ = to_text
    __repr__ = to_text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.words._repr_mimebundle_(include, exclude)


def times(change: Change) -> str:
    """How much more or less, for people: ×3.1, ÷2, new, gone."""
    if change.good <= 0 or change.incident <= 0:
        return "new" if change.incident > 0 else "gone" if change.good > 0 else ""
    ratio = max(change.incident, change.good) / min(change.incident, change.good)
    words = f"{ratio:.2g}" if ratio < 9.95 else format_count(ratio)
    return "" if words == "1" else f"{'×' if change.incident > change.good else '÷'}{words}"


def _label(change: Change) -> str:
    """'command nginx'; '' for the whole table."""
    return f"{shown_dimension(change.dimension)} {change.label}" if change.dimension else ""


def _subject(change: Change) -> str:
    return change.measure.words + (f", of {_label(change)}" if change.dimension else "")


def _source(change: Change) -> str:
    """Where it stands: 'runq_hist, p99 of wait_ns'."""
    return f"{change.table}, {change.measure.name}"


def _words(change: Change) -> str:
    values = f"{change.measure.shown(change.good)} → {change.measure.shown(change.incident)}"
    return f"{_subject(change)}, {values} ({_source(change)})"


def _distinct(changes: Iterable[Change]) -> list[tuple[Change, int]]:
    """Each label of a table once, by its strongest measure; and how many labels of other dimensions show the same."""
    out: list[tuple[Change, int]] = []
    seen: set[tuple[str, str, str]] = set()
    for change in changes:
        place = (change.table, change.dimension, change.label)
        if change.dimension and place in seen:
            continue
        seen.add(place)
        same = next((at for at, (other, _) in enumerate(out) if _alike(change, other)), None)
        if same is None:
            out.append((change, len(change.also)))
        else:
            shown, more = out[same]
            dropped = bool(shown.dimension and change.dimension)  # the whole table is no other dimension
            out[same] = (min(shown, change, key=lambda c: telling(c.dimension)), more + dropped + len(change.also))
    return out


def _alike(one: Change, two: Change) -> bool:
    """The same table's same measure under two names, such as of a command and of its only cgroup."""
    if (one.table, one.measure) != (two.table, two.measure) or one.dimension == two.dimension:
        return False
    pairs = ((one.good, two.good), (one.incident, two.incident))
    return all(abs(a - b) <= ALIKE * max(abs(a), abs(b)) for a, b in pairs)


def _values(change: Change, is_beyond: bool) -> tuple[Any, ...]:
    return (
        change.table, change.measure.name, change.dimension, change.label, change.good, change.incident,
        change.measure.unit, round(change.score, 3), None if change.quiet is None else round(change.quiet, 3),
        is_beyond, list(change.also), change.doubt,
    )  # fmt: skip


def _window(window: Window) -> dict[str, Any]:
    return {"recording": window.recording.name, "from_ns": window.from_ns, "to_ns": window.to_ns}
