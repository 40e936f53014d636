"""A recording played as if it were live: at each moment, what `santabpf watch` would have told up to then.

In: the result of a replay. Out: where the player stands, and what was known there. Pure: no clock, no recording, no
SQL; who plays it says how much time has passed. Signals and alarms are those that the replay computed, once.

Two things differ from a watch: rows that came late (coverage.late) are in a replay and were not known live, and `watch`
tells of a second when all of it has come, some tenths of a second after its end.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import BadUsage
from ..units import SECOND, second_of
from .board import Light, Watched, lights, unseen

if TYPE_CHECKING:
    from ..replay import AlarmEvent, Result

SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Player:
    """Where in a recording we are, and how fast we go.

    start_ns, end_ns  the seconds that were judged, UTC
    at_ns             now; UTC
    """

    def __init__(self, result: Result) -> None:
        windows = [verdict.window for verdict in result.verdicts]
        if not windows or (end := max(w.to_ns for w in windows)) <= (start := min(w.from_ns for w in windows)):
            raise BadUsage("no second of this recording could be judged, so there is nothing to play")
        reasons = [unseen(verdict) for verdict in result.ranked]
        if all(reasons):
            raise BadUsage(f"no scenario could be judged in any second, so there is nothing to play. {reasons[0]}")
        self.result, self.start_ns, self.end_ns = result, start, end
        self.at_ns = start
        self.playing = False
        self._speed = 1.0
        self._times = [event.at_ns for event in result.events]

    # ------------------------------------------------------------------------------------------------------- moving

    @property
    def speed(self) -> float:
        """Seconds of the recording in one second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        if not SPEEDS[0] <= value <= SPEEDS[-1]:
            raise BadUsage(f"a recording is played at {SPEEDS[0]:g}x to {SPEEDS[-1]:g}x, not at {value:g}x")
        self._speed = value

    def play(self) -> None:
        """Go on; from the start again where it had come to the end."""
        if self.at_ns >= self.end_ns:
            self.at_ns = self.start_ns
        self.playing = True

    def pause(self) -> None:
        """Stay here."""
        self.playing = False

    def tick(self, elapsed_s: float) -> None:
        """So much time has passed for whoever looks; at the end it stops."""
        if self.playing:
            self._go(self.at_ns + round(elapsed_s * self._speed * SECOND))
            self.playing = self.at_ns < self.end_ns

    def step(self, seconds: int) -> None:
        """Pause, and go to the edge of a second, so many on (or back, when negative)."""
        self.pause()
        here = second_of(self.at_ns)
        if seconds < 0 and here < self.at_ns:
            here += SECOND  # back from the middle of a second: its start is one step away
        self._go(here + seconds * SECOND)

    def seek(self, at_ns: int) -> None:
        """Go there; playing or not stays as it is. Before the start is the start, after the end the end."""
        self._go(at_ns)

    def _go(self, at_ns: int) -> None:
        self.at_ns = max(self.start_ns, min(self.end_ns, at_ns))

    # ------------------------------------------------------------------------------------------------ what is known

    @cached_property
    def watched(self) -> tuple[Watched, ...]:
        """What was judged, in the order in which people should read it."""
        return tuple(Watched(v.scenario, v.title, v.node, unseen(v)) for v in self.result.ranked)

    @property
    def events(self) -> tuple[AlarmEvent, ...]:
        """What alarms have done up to now."""
        return self.result.events[: bisect_right(self._times, self.at_ns)]

    @property
    def lights(self) -> tuple[Light, ...]:
        """How each scenario stands now."""
        return lights(self.watched, self.events)
