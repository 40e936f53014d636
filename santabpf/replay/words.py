"""Numbers and conditions of signals and alarms, in words.

In: values in a signal's unit. Out: text. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scenarios import Alarm, Signal, Threshold, count
from ..units import COMPARED, format_bytes, format_duration, format_ratio

if TYPE_CHECKING:
    from .alarms import Machine

PPM = 1_000_000
_LOOKUPS = {"avg": "average", "max": "largest", "min": "smallest", "sum": "sum", "count": "seconds with any"}


def format_value(value: float, unit: str) -> str:
    """A signal's value for people."""
    if unit == "ratio":
        return format_ratio(value)
    if unit == "ns":
        return format_duration(value)
    if unit == "bytes":
        return format_bytes(value)
    return count(round(value)) if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def whole(value: float | None, unit: str) -> int | None:
    """A signal's value as a whole number: ratios in parts per million, counts in thousandths, the rest as it is."""
    if value is None:
        return None
    return round(value * {"ratio": PPM, "count": 1000}.get(unit, 1))


def column(unit: str) -> str:
    """The name of a column that holds `whole` values."""
    return {"ratio": "value_ppm", "count": "value_thousandths", "ns": "value_ns", "bytes": "value_bytes"}.get(
        unit, "value"
    )


def condition(alarm: Alarm, signal: Signal, threshold: Threshold) -> str:
    """average of short_cpu over 6 s above 5.0 %"""
    return (
        f"{_LOOKUPS[alarm.lookup]} of {signal.name} over {alarm.over_s} s {COMPARED[threshold.op]} "
        f"{format_value(threshold.value, 'count' if alarm.lookup == 'count' else signal.unit)}"
        + (f" for {alarm.for_s} s" if alarm.for_s else "")
    )


def threshold_of(alarm: Alarm, state: str) -> Threshold:
    """The threshold that an alarm in this state met, or would have to meet first."""
    found = (alarm.crit if state == "crit" else alarm.warn) or alarm.warn or alarm.crit
    assert found is not None
    return found


def nearness(machine: Machine) -> float:
    """How near an alarm's worst lookup came to its threshold: 1 is there, -1 is no lookup at all."""
    if machine.extreme is None:
        return -1.0
    threshold, worst = threshold_of(machine.alarm, "warn").value, machine.extreme[0]
    above, below = (worst, threshold) if machine.alarm.rises else (threshold, worst)
    return above / below if below > 0 else 0.0
