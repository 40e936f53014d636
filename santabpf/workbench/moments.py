"""Two moments that are compared, an incident and a good one, each a window of a recording. No widgets.

In: recordings; windows that people choose. Out: a Comparison of just these. Never: a change of a recording.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from ..compare import Comparison, compare, span, window
from ..errors import SantaError
from ..recording import Recording
from .investigation import Investigation
from .view import Window


class Moments:
    """The incident and the good moment; look() at another window of either, and the comparison is of that.

    Where no window is given, the incident is the time in which the alarm of its first verdict that fired was on; the
    good moment is the whole of the other recording, or of the same one what was before the incident.
    """

    def __init__(
        self, incident: Recording | str | Path, good: Recording | str | Path | None = None,
        incident_window: str | None = None, good_window: str | None = None,
    ) -> None:
        """Windows as '5s..20s' or '12:00:05..12:00:20'. Raises BadUsage, RecordingError."""
        self.incident = Investigation(incident, sidecar=None)
        self.good = Investigation(self.incident.recording if good is None else good, sidecar=None)
        self._listeners: list[Callable[[], None]] = []
        self._known: tuple[tuple[Window, Window], Comparison] | None = None
        if incident_window is not None:
            _look(self.incident, incident_window)
        elif (alarm := _alarm(self.incident)) is not None:
            self.incident.look(*alarm)
        if good_window is not None:
            _look(self.good, good_window)
        elif self.is_one_recording:
            self._look_before()
        for side in (self.incident, self.good):
            side.listen(self._changed)

    @property
    def is_one_recording(self) -> bool:
        """Are both windows of the same one?"""
        return self.incident.recording.path.resolve() == self.good.recording.path.resolve()

    def _look_before(self) -> None:
        """The good moment is what came before the incident; where that is the beginning, halves are compared."""
        first, last = self.incident.everything
        start, end = self.incident.window
        if start <= first:
            start = first + (end - first) // 2
            self.incident.look(start, end)
        self.good.look(first, min(start, last))

    @property
    def comparison(self) -> Comparison:
        """What changed between the two windows; asked anew where one of them did. Raises as compare()."""
        windows = self.incident.window, self.good.window
        if self._known is None or self._known[0] != windows:
            sides = (window(side.recording, *side.window) for side in (self.incident, self.good))
            self._known = windows, compare(*sides)
        return self._known[1]

    def judge(self) -> None:
        """Judge both recordings, so that their alarms can be shown; what can't be judged has none. It takes seconds."""
        for side in (self.incident, self.good):
            if self.is_one_recording and self.incident.judged is not None:
                vars(side)["result"] = self.incident.judged  # where it is cached; the same recording is judged once
            with contextlib.suppress(Exception):  # whatever it is, side.not_judged says it
                _ = side.result

    def listen(self, act: Callable[[], None]) -> None:
        """Call act() whenever a window changed."""
        self._listeners.append(act)

    def _changed(self) -> None:
        for act in self._listeners:
            act()


def _look(side: Investigation, text: str) -> None:
    chosen = span(side.recording, text)
    side.look(chosen.from_ns, chosen.to_ns)


def _alarm(side: Investigation) -> tuple[int, int] | None:
    """From the first sign to the end of the alarm of the verdict that comes first; None where none fired."""
    try:
        verdicts = side.result.ranked
    except SantaError:
        return None
    for verdict in verdicts:
        seen = verdict.detected
        if verdict.state == "fired" and seen is not None and seen.onset_ns is not None:
            return seen.onset_ns, seen.to_ns or side.everything.end_ns
    return None
