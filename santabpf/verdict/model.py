"""A verdict: what happened, who did it, how we know, what was ruled out, what could not be told, what to do next.

In: values that replay/judge.py worked out. Out: JSON that is the same, byte for byte, for the same recording; and its
digest. Never: floats, wall clock, paths.

Texts are plain text: whoever shows them escapes them. Cells of evidence hold what was recorded, unescaped.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .. import cards
from ..errors import BadVerdict
from ..scenarios import Origin

VERSION = 1
KEEP_ROWS = 50
State = Literal["fired", "quiet", "cannot_tell"]
Cell = int | str | None | list[str]


@dataclass(frozen=True)
class Sentence:
    """One sentence and the names of the evidence it rests on."""

    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class RuledOut:
    """A cause that was looked for and is not it."""

    cause: str
    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """What to do next, and how to see that it worked."""

    text: str
    check: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """A line of the timeline."""

    ts_ns: int
    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Culprit:
    """Who did it; '' where it is not known or does not apply. pod and container are what the cgroup's path tells."""

    text: str = ""
    process: str = ""
    parent: str = ""
    starter: str = ""
    cgroup: str = ""
    pod: str = ""
    container: str = ""
    command: str = ""
    file: str = ""
    mount: str = ""
    peer: str = ""
    listener: str = ""
    function: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def facts(self) -> list[tuple[str, str]]:
        """All that is known of it but the sentence, by what it is: process, command, ..."""
        order = ("process", "command", "parent", "starter", "container", "pod", "cgroup", "file", "mount", "peer",
                 "listener", "function")  # fmt: skip
        return [(name, value) for name in order if (value := getattr(self, name))]


@dataclass(frozen=True)
class Detected:
    """The alarm that decided: raised where state is warn or crit, nearest to it where state is clear."""

    alarm: str
    title: str
    signal: str
    label: str
    state: Literal["clear", "warn", "crit"]
    condition: str  # avg of short_cpu over 6 s > 5.0 %
    peak: str
    peak_ns: int | None
    onset_ns: int | None
    raised_ns: int | None
    to_ns: int | None  # None: still on when the recording ended, or never on
    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """A query and its rows, at most KEEP_ROWS of them, and the count of all."""

    name: str
    title: str
    sql: str
    params: dict[str, int | str]
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    count: int


@dataclass(frozen=True)
class Confidence:
    """How far to trust it, and why."""

    level: Literal["high", "medium", "low"]
    reasons: tuple[Sentence, ...]


@dataclass(frozen=True)
class Window:
    """The time that was judged."""

    from_ns: int
    to_ns: int
    seconds: int  # whole seconds in it
    watched: int  # of which all that the scenario needs was watched


@dataclass(frozen=True)
class Inputs:
    """What the verdict was derived from; part of its digest."""

    duckdb: str
    scenario_sha256: str
    scenario_origin: Origin
    tables: dict[str, str]  # table -> sha256 over the sha256s of its parts


@dataclass(frozen=True)
class Verdict:
    """What one scenario says about one node."""

    scenario: str
    title: str
    node: str
    state: State
    summary: tuple[Sentence, ...]
    window: Window
    detected: Detected | None
    culprit: Culprit | None
    impact: tuple[Sentence, ...]
    ruled_out: tuple[RuledOut, ...]
    could_not_tell: tuple[Sentence, ...]
    next_steps: tuple[Step, ...]
    timeline: tuple[Moment, ...]
    confidence: Confidence
    params: dict[str, str]
    evidence: tuple[Evidence, ...]
    inputs: Inputs

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with version and digest."""
        body: dict[str, Any] = {"version": VERSION, **asdict(self)}
        body["digest"] = digest(body)
        return body

    def to_json(self) -> str:
        """Versioned, sorted, whole numbers and texts only; ends with a line end."""
        return _dump(self.as_dict(), indent=1) + "\n"

    @property
    def digest(self) -> str:
        """sha256 over the JSON, which holds the hashes of the tables and the scenario and DuckDB's version."""
        return str(self.as_dict()["digest"])

    @property
    def judged_by(self) -> str:
        """That it was no scenario of those that ship, and which; '' where it was one."""
        name, sha256 = self.scenario, self.inputs.scenario_sha256[:12]
        match self.inputs.scenario_origin:
            case "own":
                return f"Judged by {name} (sha256 {sha256}), which does not ship with SantaBPF."
            case "replaced":
                return f"Judged by another {name} (sha256 {sha256}) than the one that ships with SantaBPF."
        return ""

    def to_text(self) -> str:
        """For a terminal; nothing in it acts on the terminal."""
        from .render import to_text

        return to_text(self)

    def to_markdown(self) -> str:
        """For a wiki or an issue; what was recorded shows as text."""
        from .render import to_markdown

        return to_markdown(self)

    def find(self, name: str) -> Evidence:
        """The evidence of that name."""
        return next(e for e in self.evidence if e.name == name)

    def __repr__(self) -> str:
        return f"<Verdict {self.scenario} on {self.node}: {self.state}, confidence {self.confidence.level}>"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.verdict(self)._repr_mimebundle_(include, exclude)


def digest(body: dict[str, Any]) -> str:
    """The digest of a verdict's plain values; one that stands in them is left out."""
    rest = {key: value for key, value in body.items() if key != "digest"}
    return hashlib.sha256(_dump(rest).encode()).hexdigest()


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, sort_keys=True, indent=indent, allow_nan=False)


def check_digest(text: str) -> dict[str, Any]:
    """The plain values of a verdict's JSON, if it is whole and unchanged. Raises BadVerdict.

    It says nothing about the recording: for that, judge the recording again and compare the digests.
    """
    try:
        body = json.loads(text)
    except ValueError as exc:
        raise BadVerdict(f"this is no verdict: {exc}") from exc
    if not isinstance(body, dict) or not isinstance(body.get("version"), int):
        raise BadVerdict("this is no verdict: it has no version")
    if body["version"] > VERSION:
        raise BadVerdict(f"this verdict is of version {body['version']}, and this SantaBPF knows {VERSION}: update it")
    if body.get("digest") != digest(body):
        raise BadVerdict(f"this verdict was changed: its digest is {digest(body)}, but it says {body.get('digest')!r}")
    return body
