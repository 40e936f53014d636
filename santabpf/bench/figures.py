"""One figure of the benchmarks, and all of them as a table. In: numbers. Out: words. Never: measures anything."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

State = Literal["met", "missed", "no goal", "not taken"]


class Goal(NamedTuple):
    """What a figure should be: at most, or at least, so much."""

    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {number(self.limit)}"

    def is_met(self, value: float) -> bool:
        """Whether this value is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


class Spread(NamedTuple):
    """What several rounds gave: their median, the least and the most."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    value  None where it could not be taken; then note says why
    """

    what: str
    unit: str
    value: Spread | None
    goal: Goal | None = None
    note: str = ""

    @property
    def state(self) -> State:
        """Judged by the median."""
        if self.value is None:
            return "not taken"
        if self.goal is None:
            return "no goal"
        return "met" if self.goal.is_met(self.value.median) else "missed"

    def row(self) -> list[str]:
        """what, value, least to most, goal, state, note."""
        value = self.value
        goal = "" if self.goal is None else f"{self.goal} {self.unit}"
        return [
            self.what,
            "-" if value is None else f"{number(value.median)} {self.unit}",
            "" if value is None or value.rounds < 2 else f"{number(value.least)} … {number(value.most)}",
            goal,
            {"met": "met", "missed": "**missed**", "no goal": "", "not taken": "not taken"}[self.state],
            self.note,
        ]


@dataclass
class Family:
    """Figures that belong together: a heading, a few sentences, figures, and tables of its own."""

    title: str
    words: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[tuple[list[str], list[list[str]]]] = field(default_factory=list)  # (head, rows), all text


HEAD = ["figure", "median", "least … most", "goal", "", "remark"]


def number(value: float) -> str:
    """Three digits that count, with k and M above a million; never 1e+06.

    >>> number(0.01234), number(23.456), number(4567.8), number(3_210_000)
    ('0.0123', '23.5', '4,568', '3.21 M')
    """
    size = abs(value)
    if size >= 1_000_000:
        return f"{value / 1_000_000:.3g} M"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def to_markdown(families: Sequence[Family], machine: str, date: str) -> str:
    """All families as docs/benchmarks.md."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`santabpf bench`). A goal that was missed is shown as missed.",
        "",
        f"- machine: {machine}",
        f"- date: {date}",
        "",
    ]
    for family in families:
        lines += [f"## {family.title}", ""]
        if family.words:
            lines += [family.words, ""]
        tables = list(family.tables)
        if family.figures:
            tables.append((HEAD, [figure.row() for figure in family.figures]))
        for head, rows in tables:
            lines += [_markdown_row(head), "|" + "---|" * len(head), *map(_markdown_row, rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def to_text(family: Family) -> str:
    """One family for a terminal: columns padded, no Markdown."""
    lines = [family.title]
    tables = list(family.tables)
    if family.figures:
        tables.append((HEAD, [figure.row() for figure in family.figures]))
    for head, rows in tables:
        clean = [[cell.replace("**", "") for cell in row] for row in [head, *rows]]
        widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
        lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in clean]
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
