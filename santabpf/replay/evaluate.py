"""The evaluator: one for a finished recording at full speed and for one that grows, second by second.

In: a recording and scenarios. Out: signals, alarm events, and on request verdicts. Never: Santa's clock; a row of a
second that is not closed.

A second is closed when coverage speaks of it on every node (coverage is written last). Seconds are taken in chunks, as
many as are closed; a signal sees rows in [a - lookback, b) and gives values for [a, b). So it makes no difference in
how many pieces a recording is evaluated.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .. import cards
from ..errors import BadScenario, QueryFailed, RecordingError
from ..scenarios import Alarm, Scenario, Signal, all_scenarios, broken_scenarios, scenario_to_judge, visible
from ..units import HOUR, SECOND, format_duration, format_utc, second_of
from .alarms import RANK, Change, Level, Machine
from .check import check_tables, known_tables
from .query import Limits, Query
from .signals import Chunk, Coverage, composed, extents, is_per_second, read_coverage, read_signal

if TYPE_CHECKING:
    from ..recording import Recording
    from ..verdict import Verdict
    from .result import Result

#: At full speed, a chunk holds at most so many rows and seconds; memory stays bounded, speed hardly changes.
CHUNK_ROWS = 30_000_000
CHUNK_SECONDS = 3600
#: Live, a node whose coverage is this far behind the others' is not waited for: it is gone.
GIVE_UP_NS = 10 * SECOND
#: A recording that claims to be longer is broken or hostile: every second costs a step.
MOST_NS = 92 * 24 * HOUR


@dataclass(frozen=True)
class AlarmEvent:
    """An alarm began, grew, eased or ended."""

    scenario: str
    alarm: str
    title: str
    node: str
    label: str
    kind: Literal["raised", "worse", "eased", "cleared"]
    state: Level  # what it is now
    at_ns: int  # end of the second that made it so, UTC
    value: str  # the lookup, formatted

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {key: getattr(self, key) for key in self.__dataclass_fields__}

    def to_text(self) -> str:
        """One line for a terminal."""
        of = f" [{visible(self.label)}]" if self.label else ""
        return (
            f"{format_utc(self.at_ns)} {self.node} {self.state.upper():5} {visible(self.title)}{of}: {self.value} "
            f"({self.kind})"
        )

    def __str__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.event(self)._repr_mimebundle_(include, exclude)


@dataclass
class Series:
    """One signal on one node with one label, from its first second on, and its alarms."""

    start: int
    values: list[float | None] = field(default_factory=list)
    watched: list[bool] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)


@dataclass
class Track:
    """All series of one signal."""

    scenario: Scenario
    signal: Signal
    tables: frozenset[str]  # those whose coverage decides whether a second was watched
    alarms: tuple[Alarm, ...]
    labelled: bool | None = None  # known after the first query
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    idle: dict[tuple[str, str], Series] = field(default_factory=dict)  # of labels that fell silent
    history: dict[str, deque[bool]] = field(default_factory=dict)  # node -> was watched, as far as alarms look back

    def new_series(self, node: str, second: int) -> Series:
        """A series whose alarms have seen that there was nothing before."""
        series = Series(second, machines=[Machine(alarm, self.signal.absent == 0) for alarm in self.alarms])
        past = self.history.get(node, ())
        for at, watched in enumerate(past):
            for machine in series.machines:
                machine.step(second - (len(past) - at) * SECOND, watched, 0.0 if self.signal.absent == 0 else None)
        return series


class Evaluator:
    """Follows a recording. A context manager: it holds a process.

    scenarios  names or Scenario values; by default those the recording was made for and all whose tables it has
    broken     of each scenario that failed so far, why, with file and line; that costs its own verdict and no other
    """

    def __init__(
        self, recording: Recording, scenarios: Iterable[str | Scenario] | None = None, *, limits: Limits | None = None
    ) -> None:
        self.recording = recording
        self.scenarios = choose(recording, scenarios)
        self.query = Query(recording, limits)
        self.next: int | None = None  # start of the first second that was not evaluated
        self.first: int | None = None
        self.late = 0
        self.events: list[AlarmEvent] = []  # all so far, in the order in which they were told
        self.watched: dict[str, list[tuple[int, frozenset[str]]]] = defaultdict(list)
        self._same: dict[frozenset[str], frozenset[str]] = {}  # most seconds have the same tables
        self.tracks: list[Track] | None = None
        self.broken: dict[str, str] = {}
        for scenario in self.scenarios:
            if scenario.broken:
                self.give_up(scenario, scenario.broken)

    # ---------------------------------------------------------------------------------------------------- driving

    def advance(self, until_ns: int | None = None) -> list[AlarmEvent]:
        """Evaluate the seconds that are closed and were not evaluated yet (those before until_ns); what alarms did.

        A recording that is still being written is looked at anew first. Raises RecordingError.
        """
        if self.recording.state == "recording":
            self.recording.refresh()
        closed = self._closed()
        if closed is None:
            return []
        if self.next is None:
            self.next = self.first = closed[0]
        end = closed[1] if until_ns is None else min(closed[1], second_of(until_ns))
        events: list[AlarmEvent] = []
        for start, stop in self._chunks(self.next, end):
            events += self._chunk(start, stop)
            self.next = stop
        self.events += events
        return events

    def judge(self) -> Result:
        """Signals, alarms and verdicts of the seconds evaluated so far."""
        from .result import result

        return result(self)

    def judge_one(self, name: str) -> tuple[Verdict, ...]:
        """The verdicts on one scenario, one for each node, of the seconds evaluated so far."""
        from .result import verdicts

        return verdicts(self, [scenario for scenario in self.scenarios if scenario.name == name])

    def finish(self) -> Result:
        """Evaluate what is left, and judge."""
        self.advance()
        return self.judge()

    def give_up(self, scenario: Scenario, why: str) -> str:
        """This scenario can't be judged: it has failed. Returns why, naming no place but its own folder."""
        return self.broken.setdefault(scenario.name, why.replace(f"{scenario.folder.parent}/", ""))

    def close(self) -> None:
        """End the process that runs queries."""
        self.query.close()

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ one chunk

    def _closed(self) -> tuple[int, int] | None:
        """From the first second that coverage speaks of to the end of the last one that is closed on all nodes."""
        is_live = self.recording.state == "recording"
        known = extents(self.query, self.next if is_live else None)
        if not known or (is_live and self.next is None and set(known) != set(self.recording.nodes)):
            return None
        first, newest = min(start for start, _ in known.values()), max(end for _, end in known.values())
        if newest - first > MOST_NS:
            raise RecordingError(
                f"{self.recording.path}: coverage runs over {format_duration(newest - first)}, more than "
                f"{format_duration(MOST_NS)}; that can't be one recording"
            )
        return first, min(end for _, end in known.values() if end > newest - GIVE_UP_NS) if is_live else newest

    def _chunks(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        rows = max((self.recording[t].rows for t in self.recording.tables), default=0)
        per_second = max(1, rows * SECOND // max(SECOND, end - start))
        step = max(1, min(CHUNK_SECONDS, CHUNK_ROWS // per_second)) * SECOND
        while start < end:
            yield start, min(end, start + step)
            start += step

    def _make_tracks(self) -> list[Track]:
        tracks: list[Track] = []
        for scenario in self.scenarios:
            try:
                tracks += self._tracks_of(scenario)
            except (BadScenario, QueryFailed) as exc:
                self.give_up(scenario, str(exc))
        return tracks

    def _tracks_of(self, scenario: Scenario) -> list[Track]:
        tracks = []
        for signal in scenario.signals:
            read = self.query.uses(composed(scenario, signal.query)).tables
            if not read <= self.query.tables.keys():
                check_tables(scenario, signal.query, read, known_tables(scenario))
                continue  # a table is missing: the verdict will say so
            alarms = tuple(a for a in scenario.alarms if a.signal == signal.name)
            tracks.append(Track(scenario, signal, frozenset(filter(is_per_second, read)), alarms))
        return tracks

    def _chunk(self, start: int, end: int) -> list[AlarmEvent]:
        if self.tracks is None:
            self.tracks = self._make_tracks()
        coverage = read_coverage(self.query, start, end)
        self.late += coverage.late
        nodes = self.recording.nodes
        for second in range(start, end, SECOND):
            for node in nodes:
                tables = coverage.tables.get((node, second), frozenset())
                self.watched[node].append((second, self._same.setdefault(tables, tables)))
        changes: list[tuple[int, int, AlarmEvent]] = []
        for order, track in self._by_lookback(self.tracks):
            if (chunk := self._read(track, start, end)) is not None:
                for event in self._follow(track, chunk, start, end, nodes, coverage):
                    changes.append((event.at_ns, order, event))
        self.tracks = [track for track in self.tracks if track.scenario.name not in self.broken]
        told = [change for change in changes if change[2].scenario not in self.broken]
        return [event for _, _, event in sorted(told, key=lambda c: (c[0], c[1], c[2].node, c[2].label, c[2].alarm))]

    def _read(self, track: Track, start: int, end: int) -> Chunk | None:
        if track.scenario.name in self.broken:
            return None
        try:
            return read_signal(self.query, track.scenario, track.signal, start, end)
        except QueryFailed as exc:
            self.give_up(track.scenario, str(exc))
            return None

    def _by_lookback(self, tracks: list[Track]) -> list[tuple[int, Track]]:
        """Those that see the same rows one after the other: views that they share are then made once."""
        place = {id(scenario): at for at, scenario in enumerate(self.scenarios)}
        return sorted(enumerate(tracks), key=lambda t: (place[id(t[1].scenario)], t[1].signal.lookback_ns))

    def _follow(
        self, track: Track, chunk: Chunk, start: int, end: int, nodes: Sequence[str], coverage: Coverage
    ) -> Iterator[AlarmEvent]:
        track.labelled = chunk.is_labelled
        look_back = max((a.over_s for a in track.alarms), default=1)
        for second in range(start, end, SECOND):
            rows = chunk.values.get(second, {})
            for node in nodes:
                watched = coverage.is_watched(node, second, track.tables)
                here = rows.get(node, {})
                if not chunk.is_labelled and (node, "") not in track.series:
                    track.series[node, ""] = track.new_series(node, second)
                for label in here:
                    if (node, label) not in track.series:
                        back = track.idle.pop((node, label), None)
                        track.series[node, label] = self._wake(track, back, node, second)
                for label in sorted(label for n, label in track.series if n == node):
                    yield from self._step(track, node, label, second, watched, here)
                track.history.setdefault(node, deque(maxlen=look_back)).append(watched)

    @staticmethod
    def _wake(track: Track, back: Series | None, node: str, second: int) -> Series:
        """A series for a label that is new, or that was silent for a while."""
        if back is None:
            return track.new_series(node, second)
        silent = (second - back.start) // SECOND - len(back.values)
        back.values += [0.0 if track.signal.absent == 0 else None] * silent
        back.watched += [True] * silent
        fresh = track.new_series(node, second)
        for machine, new in zip(back.machines, fresh.machines, strict=True):
            new.incidents, new.extreme = machine.incidents, machine.extreme
        back.machines = fresh.machines
        return back

    def _step(
        self, track: Track, node: str, label: str, second: int, watched: bool, here: dict[str, float | None]
    ) -> Iterator[AlarmEvent]:
        series, absent = track.series[node, label], track.signal.absent
        value: float | None = None
        if watched:
            last = series.values[-1] if series.values else None
            value = here.get(label, 0.0 if absent == 0 else last if absent == "last" else None)
        series.values.append(value)
        series.watched.append(watched)
        for machine in series.machines:
            change = machine.step(second, watched, value)
            if change is not None:
                yield event_of(track, machine.alarm, node, label, change)
        if chunk_is_silent(track, label, value) and all(m.is_idle for m in series.machines):
            track.idle[node, label] = track.series.pop((node, label))


def chunk_is_silent(track: Track, label: str, value: float | None) -> bool:
    """May this series be laid aside? Only one of many labels, and only while it says nothing."""
    return bool(track.labelled) and not value and track.signal.absent != "last"


def event_of(track: Track, alarm: Alarm, node: str, label: str, change: Change) -> AlarmEvent:
    """A change of an alarm, for people."""
    from .words import format_value

    kind: Literal["raised", "worse", "eased", "cleared"]
    if change.after == "clear":
        kind = "cleared"
    elif change.before == "clear":
        kind = "raised"
    else:
        kind = "worse" if RANK[change.after] > RANK[change.before] else "eased"
    return AlarmEvent(
        track.scenario.name,
        alarm.name,
        alarm.title,
        node,
        label,
        kind,
        change.after,
        change.second + SECOND,
        format_value(change.value, track.signal.unit),
    )


def choose(recording: Recording, scenarios: Iterable[str | Scenario] | None) -> list[Scenario]:
    """The scenarios asked for; else those that the recording names, and all whose tables it has (all, if that is none).

    Those of one's own that can't be read are among the latter. Raises BadUsage for an unknown name.
    """
    if scenarios is not None:
        return [scenario_to_judge(s) if isinstance(s, str) else s for s in scenarios]
    known = all_scenarios()
    named = set(recording.info.get("scenarios") or ())
    fitting = [s for s in known.values() if s.name in named or set(s.tables) <= set(recording.tables)]
    return [*(fitting or known.values()), *broken_scenarios().values()]
