"""What a scenario says, as frozen values.

In and out: nothing; these are the values that loading makes and replay and verdict read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .. import cards
from ..places import Origin
from .template import Template

Lookup = Literal["avg", "max", "min", "sum", "count"]
LOOKUPS = ("avg", "max", "min", "sum", "count")
State = Literal["fired", "quiet", "cannot_tell"]
STATES = ("fired", "quiet", "cannot_tell")


@dataclass(frozen=True)
class Query:
    """One SELECT and where it stands."""

    sql: str
    key: str
    line: int


@dataclass(frozen=True)
class Param:
    """A number that the queries see as $name and thresholds as $name, and where it comes from."""

    name: str
    unit: str
    value: int | float
    description: str
    source: str


@dataclass(frozen=True)
class Loss:
    """What one lost row of a table could have done to a signal's value, in its second and for a while after it."""

    table: str
    raises: float  # at most so much more
    lowers: float  # at most so much less
    within_ns: int  # for so long after its second; the signal's lookback, unless the scenario says less


@dataclass(frozen=True)
class Signal:
    """One number per second, node and label.

    absent  its value in a second that was watched and gave no row: 0, None (nothing to say) or "last"
    losses  per table; a table that it reads and that is not here could have done anything
    at_most name of a signal that it can never be above, whatever was lost
    """

    name: str
    unit: str
    description: str
    query: Query
    absent: Literal["last"] | int | None
    lookback_ns: int
    losses: tuple[Loss, ...]
    at_most: str | None


@dataclass(frozen=True)
class Threshold:
    """A comparison, such as > 0.2."""

    op: Literal[">", ">=", "<", "<="]
    value: float

    def is_met(self, value: float) -> bool:
        """Does the value lie beyond it?"""
        return {">": value > self.value, ">=": value >= self.value, "<": value < self.value, "<=": value <= self.value}[
            self.op
        ]


@dataclass(frozen=True)
class Alarm:
    """When a signal means trouble: a lookup over its last seconds, compared with thresholds.

    clear  once on, it stays on until this is met; without it, until warn is no longer met
    for_s  the threshold must be met this many seconds in a row
    """

    name: str
    title: str
    signal: str
    lookup: Lookup
    over_s: int
    warn: Threshold | None
    crit: Threshold | None
    clear: Threshold | None
    for_s: int

    @property
    def rises(self) -> bool:
        """Is more of the signal worse?"""
        first = self.warn or self.crit
        return first is not None and first.op in (">", ">=")

    def __str__(self) -> str:
        return str(cards.alarm(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.alarm(self)._repr_mimebundle_(include, exclude)


@dataclass(frozen=True)
class Evidence:
    """A query whose rows a sentence rests on."""

    name: str
    title: str
    query: Query


@dataclass(frozen=True)
class Sentence:
    """Words and the evidence they rest on; left out where its condition does not hold."""

    text: Template
    evidence: tuple[str, ...]
    when: Template | None = None


@dataclass(frozen=True)
class Cause:
    """A cause that was looked for: ruled out where the condition holds, else said to be possible."""

    name: str
    holds: Template
    text: Template  # where it is ruled out
    otherwise: Template  # where it is not
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Doubt:
    """A reason to trust a verdict less."""

    when: Template
    text: Template
    level: Literal["medium", "low"]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """What to do next, and how to see that it worked."""

    text: Template
    check: Template | None
    evidence: tuple[str, ...]
    when: Template | None


@dataclass(frozen=True)
class Explains:
    """Another kind of trouble that this one brings about, where the evidence says so.

    when and text see this scenario's evidence and `symptom`: see docs/scenarios.md.
    """

    scenario: str
    when: Template
    text: Template
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """A line of the timeline for each row of an evidence."""

    text: Template
    evidence: str
    at: str  # the column that holds the time


@dataclass(frozen=True)
class Words:
    """All that a verdict says."""

    fired: tuple[Sentence, ...]
    quiet: tuple[Sentence, ...]
    culprit: dict[str, Template]
    culprit_evidence: tuple[str, ...]
    impact: tuple[Sentence, ...]
    ruled_out: tuple[Cause, ...]
    could_not_tell: tuple[Sentence, ...]
    next_steps: tuple[Step, ...]
    timeline: tuple[Moment, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True)
class Scenario:
    """One kind of trouble, read and checked."""

    name: str
    title: str
    summary: str
    folder: Path
    needs: tuple[str, ...]  # probes, with parameters, as `record` takes them
    also: tuple[str, ...]  # probes recorded along; whether it fired is told without them
    tables: tuple[str, ...]  # the tables of the probes it needs that its queries name
    optional: tuple[str, ...]  # tables that its evidence names and that are empty there where they were not recorded
    min_seconds: int
    params: tuple[Param, ...]
    views: dict[str, Query]
    signals: tuple[Signal, ...]
    alarms: tuple[Alarm, ...]
    evidence: tuple[Evidence, ...]
    words: Words
    explains: tuple[Explains, ...]
    sha256: str  # of scenario.yaml and of the parameters that were changed
    origin: Origin  # whether it is what ships under its name
    changed: dict[str, int | float] = field(default_factory=dict)
    broken: str = ""  # why its folder could not be read, with file and line; all else is then empty

    @property
    def path(self) -> Path:
        """Its scenario.yaml."""
        return self.folder / "scenario.yaml"

    @property
    def values(self) -> dict[str, int | float]:
        """Parameters by name."""
        return {p.name: p.value for p in self.params}

    def signal(self, name: str) -> Signal:
        """The signal of that name."""
        return next(s for s in self.signals if s.name == name)

    def __repr__(self) -> str:
        return f"<Scenario {self.name}: {self.title}>"

    def __str__(self) -> str:
        return str(cards.scenario(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.scenario(self)._repr_mimebundle_(include, exclude)
