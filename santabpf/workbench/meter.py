"""What a recording that is being made says of itself, second by second, in bounded room.

In: an evaluator that has judged more seconds; alarm events. Out: numbers, signals, verdicts so far. Never: rows of what
was recorded; more than a fifth of the time for verdicts, whose queries take longer as a recording grows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..scenarios import scenario_to_judge
from ..units import SECOND
from .board import Watched, unseen
from .history import History, Key

if TYPE_CHECKING:
    import pandas as pd

    from ..replay import AlarmEvent, Evaluator, Result
    from ..verdict import Verdict

MOST_EVENTS = 200
#: Judging may take this share of the time at most.
SHARE = 0.2
#: The signals of so many scenarios are handed out where nobody chose.
MOST_SCENARIOS = 3
_LOST = (
    "SELECT CAST(sum(coalesce(reserve_failed, 0) + coalesce(map_full, 0) + coalesce(prog_missed, 0)"
    " + coalesce(buffer_dropped, 0)) AS BIGINT) AS lost FROM loss"
)
_COST = """
SELECT CAST(sum(span_ns) FILTER (part = 'elf') AS BIGINT) AS span_ns,
       CAST(sum(user_ns + system_ns) FILTER (part = 'elf') AS BIGINT) AS cpu_ns,
       CAST(sum(run_ns) FILTER (part LIKE 'program:%') AS BIGINT) AS bpf_ns,
       CAST(max(private_bytes) FILTER (part = 'elf') AS BIGINT) AS private_bytes,
       CAST(sum(sent_bytes) AS BIGINT) AS sent_bytes
FROM receipt
"""


class Cost(NamedTuple):
    """What recording costs the node now; None: not known (yet, or on this kernel)."""

    cpu_ratio: float | None = None  # of one CPU: the elf
    bpf_ratio: float | None = None  # of one CPU: the BPF programs, borne by what is traced
    private_bytes: int | None = None  # the elf's memory without its rings
    sent_bytes: int = 0  # since it began


class Reading(NamedTuple):
    """What one look at the evaluator gave."""

    from_ns: int
    to_ns: int
    values: list[tuple[Key, int, dict[str, float | None]]]
    lost: int
    cost: Cost
    verdicts: tuple[Verdict, ...]


class Meter:
    """The newest numbers, and a bounded history. read() may take long and is for one thread; the rest is quick.

    scenarios  name and title of each that is judged
    """

    def __init__(self, scenarios: Sequence[tuple[str, str]]) -> None:
        self.scenarios = scenarios
        self._nodes: tuple[str, ...] = ()
        self.lost = 0
        self.cost = Cost()
        self.events: deque[AlarmEvent] = deque(maxlen=MOST_EVENTS)
        self._history = History(0)
        self._on: dict[tuple[str, str, str, str], tuple[AlarmEvent, ...]] = {}
        self._judged: dict[str, tuple[tuple[Verdict, ...], int]] = {}  # by scenario; and up to when
        self._wanted: list[str] = []  # scenarios to be judged next: whose alarm changed
        self._first_ns = self.judged_to_ns = 0  # of the seconds that were judged: the first's start, the last's end
        self._begun_s = self._heard_s = self._rest_until_s = 0.0  # the first: what had been recorded at the first look

    def hear(self, event: AlarmEvent) -> None:
        """An alarm changed its state."""
        key = (event.scenario, event.node, event.alarm, event.label)
        self.events.append(event)
        before = self._on.pop(key, ())
        if event.state != "clear":
            self._on[key] = (*before[:1], event)  # the one that raised it, and how it stands now
        if event.scenario not in self._wanted:
            self._wanted.append(event.scenario)

    @property
    def watched(self) -> tuple[Watched, ...]:
        """Each scenario on each node, with why it cannot be looked at, as far as its verdict has told that already."""
        reasons = {(v.scenario, v.node): unseen(v) for v, _ in self.verdicts}
        return tuple(
            Watched(name, title, node, reasons.get((name, node), ""))
            for name, title in self.scenarios
            for node in self._nodes
        )

    @property
    def on(self) -> list[AlarmEvent]:
        """The events that alarms which are on rest on, however long ago they were."""
        return [event for events in self._on.values() for event in events]

    def read(self, evaluator: Evaluator) -> Reading:
        """Look at the seconds that are new. Raises QueryFailed."""
        start, end = self.judged_to_ns or evaluator.first or 0, evaluator.next or 0
        values: list[tuple[Key, int, dict[str, float | None]]] = []
        for track in evaluator.tracks or ():
            for second in range(start, end, SECOND):
                found: dict[str, dict[str, float | None]] = {}
                for (node, label), series in track.series.items():
                    at = (second - series.start) // SECOND
                    if 0 <= at < len(series.values):
                        found.setdefault(node, {})[label] = series.values[at]
                values += [((track.scenario.name, track.signal.name, node), second, v) for node, v in found.items()]
        lost = evaluator.query.run(_LOST, from_ns=start, to_ns=end).table.to_pylist()[0]["lost"] or 0
        told = evaluator.query.run(_COST, from_ns=start, to_ns=end).table.to_pylist()[0]
        span = told["span_ns"]
        cost = Cost(
            told["cpu_ns"] / span if span and told["cpu_ns"] is not None else None,
            told["bpf_ns"] / span if span and told["bpf_ns"] is not None else None,
            told["private_bytes"], told["sent_bytes"] or 0,
        )  # fmt: skip
        self._nodes = self._nodes or tuple(evaluator.recording.nodes)
        return Reading(start, end, values, lost, cost, self._judge(evaluator))

    def _judge(self, evaluator: Evaluator) -> tuple[Verdict, ...]:
        """One scenario's verdicts: first those whose alarms changed, then the one judged longest ago; or none yet."""
        before = time.monotonic()
        if before < self._rest_until_s:
            return ()
        oldest = min((name for name, _ in self.scenarios), key=lambda name: self._judged.get(name, ((), 0))[1])
        verdicts = evaluator.judge_one(self._wanted.pop(0) if self._wanted else oldest)
        took = time.monotonic() - before
        self._rest_until_s = before + took / SHARE
        return verdicts

    def take(self, reading: Reading) -> None:
        """Make what was read the newest."""
        if not self._first_ns:
            self._first_ns, self._history = reading.from_ns, History(reading.from_ns)
            self._begun_s, self._heard_s = (reading.to_ns - reading.from_ns) / SECOND, time.monotonic()
        for key, second, values in reading.values:
            self._history.add(key, second, values)
        self.judged_to_ns = reading.to_ns
        self.lost += reading.lost
        self.cost = reading.cost._replace(sent_bytes=self.cost.sent_bytes + reading.cost.sent_bytes)
        self._note(reading.verdicts)

    def conclude(self, result: Result) -> None:
        """The recording is over: its verdicts are the last word."""
        for scenario, _ in self.scenarios:
            self._note(tuple(v for v in result.verdicts if v.scenario == scenario))

    def _note(self, verdicts: tuple[Verdict, ...]) -> None:
        if verdicts:
            self._judged[verdicts[0].scenario] = verdicts, verdicts[0].window.to_ns

    @property
    def verdicts(self) -> tuple[tuple[Verdict, int], ...]:
        """Each verdict so far, and up to when it looked (UTC ns)."""
        return tuple((v, at) for verdicts, at in self._judged.values() for v in verdicts)

    def elapsed_s(self, is_running: bool) -> float:
        """How long it has been recording: what had been at the first look, and the time since; then what was judged."""
        if not self.judged_to_ns:
            return 0.0
        if is_running:
            return self._begun_s + time.monotonic() - self._heard_s
        return (self.judged_to_ns - self._first_ns) / SECOND

    def table(self, scenarios: Iterable[str] | None = None) -> pd.DataFrame:
        """The history of the signals that alarms of these scenarios look at; by default of those that matter most."""
        chosen = list(scenarios) if scenarios is not None else self._matter()
        wanted = {(name, alarm.signal) for name in chosen for alarm in scenario_to_judge(name).alarms}
        return self._history.table(wanted)

    def _matter(self) -> list[str]:
        """Those whose alarms are on, then those whose changed last, then in their order."""
        told = [event.scenario for event in [*reversed(self.on), *reversed(self.events)]]
        return list(dict.fromkeys([*told, *(name for name, _ in self.scenarios)]))[:MOST_SCENARIOS]
