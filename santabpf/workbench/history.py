"""Signals while they come, kept in bounded room: the whole run in a few hundred points, the worst labels only.

In: values, second by second. Out: a table as Result.signals is one. Pure. Never: more than POINTS values of a line or
LABELS lines of a signal and node: when a line is full, each two neighbours become one, the larger of them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection

import pandas as pd

from ..units import SECOND

POINTS = 600
LABELS = 6
Key = tuple[str, str, str]  # scenario, signal, node


class History:
    """Values since start_ns; step_s seconds are one point."""

    def __init__(self, start_ns: int, points: int = POINTS, labels: int = LABELS) -> None:
        self.start_ns, self.step_s = start_ns, 1
        self._points, self._labels = points, labels
        self._lines: dict[Key, dict[str, array[float]]] = {}

    def add(self, key: Key, second_ns: int, values: dict[str, float | None]) -> None:
        """The values of one signal on one node in one second, by label. Seconds come in order."""
        while (second_ns - self.start_ns) // SECOND // self.step_s >= self._points:
            self._halve()
        at = (second_ns - self.start_ns) // SECOND // self.step_s
        lines = self._lines.setdefault(key, {})
        known = {label: value for label, value in values.items() if value is not None}
        for label in sorted(known, key=lambda label: (-abs(known[label]), label))[: self._labels]:
            line = lines.setdefault(label, array("d"))
            line.extend([math.nan] * (at + 1 - len(line)))
            line[at] = _larger(line[at], known[label])
        if len(lines) > self._labels:
            kept = sorted(lines, key=lambda label: (-_peak(lines[label]), label))[: self._labels]
            self._lines[key] = {label: lines[label] for label in kept}

    def _halve(self) -> None:
        self.step_s *= 2
        for lines in self._lines.values():
            for label, line in lines.items():
                whole = [*line, math.nan] if len(line) % 2 else line
                lines[label] = array("d", map(_larger, whole[::2], whole[1::2]))

    @property
    def points(self) -> int:
        """How many values it holds."""
        return sum(len(line) for lines in self._lines.values() for line in lines.values())

    def table(self, signals: Collection[tuple[str, str]] | None = None) -> pd.DataFrame:
        """scenario, signal, second (start, UTC ns), node, label, value of these (scenario, signal) pairs, or of all."""
        rows = [
            (scenario, signal, self.start_ns + at * self.step_s * SECOND, node, label, value)
            for (scenario, signal, node), lines in self._lines.items()
            if signals is None or (scenario, signal) in signals
            for label, line in lines.items()
            for at, value in enumerate(line)
        ]
        return pd.DataFrame(rows, columns=["scenario", "signal", "second", "node", "label", "value"])


def _larger(left: float, right: float) -> float:
    """The one farther from 0; what is not known (NaN) gives way."""
    if math.isnan(left) or math.isnan(right):
        return right if math.isnan(left) else left
    return max(left, right, key=abs)


def _peak(line: array[float]) -> float:
    return max((abs(value) for value in line if not math.isnan(value)), default=0.0)
