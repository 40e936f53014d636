"""The state of one alarm for one node and label, second by second.

In: for each second in order, whether it was watched, and the signal's value. Out: changes of the state.
Pure: no clock, no recording; the same seconds give the same states, however they are fed.

    clear --(warn met `for` seconds in a row)--> warn --(crit met ...)--> crit
    crit or warn --(clear met; without clear: warn no longer met)--> clear

Seconds are those of the recording. Where one of a lookup's seconds was not watched, nothing changes: not knowing is
neither trouble nor its end. But where a value can't be below 0 and what was watched is enough trouble even if the rest
were 0, the alarm is raised. Watched seconds without a value are left out of the lookup.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..scenarios import Alarm
from ..units import SECOND

Level = Literal["clear", "warn", "crit"]
RANK: dict[Level, int] = {"clear": 0, "warn": 1, "crit": 2}


class Change(NamedTuple):
    """An alarm went from one level to another at the end of a second."""

    second: int  # start of that second, UTC ns
    before: Level
    after: Level
    value: float  # of the lookup


@dataclass
class Incident:
    """One stretch of time in which an alarm was on."""

    onset_ns: int  # start of the first second of the row of seconds that raised it
    raised_ns: int  # end of the second that raised it
    state: Level  # the worst
    peak: float  # the worst lookup
    peak_second: int
    to_ns: int | None = None  # end of the last second it was on; None: still on


class Machine:
    """One alarm for one node and label."""

    def __init__(self, alarm: Alarm, never_negative: bool = False) -> None:
        self.alarm = alarm
        self._can_bound = never_negative and alarm.rises and alarm.lookup != "min"
        self.level: Level = "clear"
        self.incidents: list[Incident] = []
        self.extreme: tuple[float, int] | None = None  # the worst lookup of all, and its second
        self._window: deque[tuple[bool, float | None]] = deque(maxlen=alarm.over_s)
        self._warned, self._critical = 0, 0  # how many seconds in a row
        self._onset = 0

    def step(self, second: int, watched: bool, value: float | None) -> Change | None:
        """Take one more second; the change it made, if any."""
        return self.judge(second, *self.look(watched, value))

    def look(self, watched: bool, value: float | None) -> tuple[float | None, bool]:
        """Take one more second into the window; the lookup now, and whether all of its seconds were watched.

        Where they were not: the least that the lookup can be, or None where that can't be said.
        """
        self._window.append((watched, value if watched else None))
        is_whole = len(self._window) == self.alarm.over_s and all(watched for watched, _ in self._window)
        if not is_whole and not self._can_bound:
            return None, False
        values = [value for _, value in self._window if value is not None]
        if self.alarm.lookup == "count":
            return float(sum(1 for value in values if value)), is_whole
        if not values:
            return None, is_whole
        if self.alarm.lookup == "max":
            return max(values), is_whole
        if self.alarm.lookup == "min":
            return min(values), is_whole
        total = math.fsum(values)  # rounded once, so in any order the same
        if self.alarm.lookup == "sum":
            return total, is_whole
        return total / (len(values) if is_whole else self.alarm.over_s), is_whole

    def judge(self, second: int, found: float | None, is_whole: bool) -> Change | None:
        """What a lookup of this second, found by `look`, changes, if anything."""
        if found is None or (not is_whole and not self._is_trouble(found)):
            return None
        if self.extreme is None or self._is_worse(found, self.extreme[0]):
            self.extreme = found, second
        after = self._next(second, found)
        before, self.level = self.level, after
        self._remember(second, found, before)
        return Change(second, before, after, found) if before != after else None

    @property
    def is_idle(self) -> bool:
        """Off, and nothing but zeros or unknowns in sight: it may be forgotten."""
        return self.level == "clear" and not self._warned and all(not value for _, value in self._window)

    def _is_worse(self, value: float, than: float) -> bool:
        return value > than if self.alarm.rises else value < than

    def _is_trouble(self, found: float) -> bool:
        return any(
            threshold is not None and threshold.is_met(found) for threshold in (self.alarm.warn, self.alarm.crit)
        )

    def _next(self, second: int, found: float) -> Level:
        alarm, need = self.alarm, max(1, self.alarm.for_s)
        is_crit = alarm.crit is not None and alarm.crit.is_met(found)
        is_warn = is_crit or (alarm.warn is not None and alarm.warn.is_met(found))
        if is_warn and not self._warned:
            self._onset = second
        self._warned = self._warned + 1 if is_warn else 0
        self._critical = self._critical + 1 if is_crit else 0
        if self._critical >= need or (is_crit and self.level == "crit"):
            return "crit"
        held: Level = "warn" if alarm.warn is not None else "crit"
        if self.level != "clear":
            is_over = alarm.clear.is_met(found) if alarm.clear is not None else not is_warn
            return "clear" if is_over and not is_warn else held
        return "warn" if alarm.warn is not None and self._warned >= need else "clear"

    def _remember(self, second: int, found: float, before: Level) -> None:
        if self.level == "clear":
            if before != "clear":
                self.incidents[-1].to_ns = second
            return
        if before == "clear":
            self.incidents.append(Incident(self._onset, second + SECOND, self.level, found, second))
            return
        incident = self.incidents[-1]
        if RANK[self.level] > RANK[incident.state]:
            incident.state = self.level
        if self._is_worse(found, incident.peak):
            incident.peak, incident.peak_second = found, second
