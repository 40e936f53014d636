"""Could what was lost turn the answer? An alarm run again over the most and the least that a signal could have been.

In: a signal's values, how many rows of which table were lost in which second. Out: yes or no. Pure, besides one query.

Sound as far as a scenario's `loss` is: each lost row adds at most `raises` and takes at most `lowers`, in its second
and as long after it as `within` says, and a signal is never above the one named in `at_most`, which may have been
higher than it shows where rows of its own were lost. A table without an entry there could have done anything. A second
of which rows were lost and that has no value could have had one: 0, and what they add or take.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..scenarios import Alarm, Signal
from ..units import SECOND
from .alarms import Machine

if TYPE_CHECKING:
    from .query import Query

KINDS = ("reserve_failed", "map_full", "prog_missed", "buffer_dropped")
LOSS = (
    'SELECT node, "table", second, '
    + ", ".join(f"CAST(sum({k}) AS BIGINT) AS {k}, count(*) FILTER (WHERE {k} IS NULL) AS {k}_unknown" for k in KINDS)
    + " FROM loss GROUP BY ALL ORDER BY ALL"
)
Lost = dict[str, dict[str, dict[int, int]]]  # node -> table -> second -> rows lost


def read_loss(query: Query, start: int, end: int) -> Lost:
    """Rows lost in the seconds in [start, end); what the kernel can't tell is nothing here, and is said elsewhere."""
    lost: Lost = defaultdict(lambda: defaultdict(dict))
    if "loss" not in query.tables:
        return lost
    for row in query.run(LOSS, from_ns=start, to_ns=end).table.to_pylist():
        count = sum(row[kind] or 0 for kind in KINDS)
        if count:
            lost[row["node"]][row["table"]][row["second"]] = count
    return lost


def could_differ(
    signal: Signal,
    alarm: Alarm,
    tables: frozenset[str],
    lost: Mapping[str, Mapping[int, int]],
    start: int,
    values: Sequence[float | None],
    watched: Sequence[bool],
    cap: Mapping[int, float | None] | None,
    *,
    fired: bool,
) -> set[str]:
    """The tables whose loss could have kept this alarm quiet (fired=False), or could have raised it (fired=True).

    Empty where the answer stands: no loss, or not enough to turn it.
    """
    hit = {table: seconds for table, seconds in lost.items() if table in tables and seconds}
    if not hit or not any(start <= s < start + len(values) * SECOND for seconds in hit.values() for s in seconds):
        return set()
    up = alarm.rises != fired  # quiet: could it have been worse? fired: could it have been better?
    machine = Machine(alarm, signal.absent == 0)
    for at, (value, seen) in enumerate(zip(_bounds(signal, hit, start, values, cap, up=up), watched, strict=True)):
        machine.step(start + at * SECOND, seen, value)
    return set() if bool(machine.incidents) == fired else set(hit)


def _bounds(
    signal: Signal,
    hit: Mapping[str, Mapping[int, int]],
    start: int,
    values: Sequence[float | None],
    cap: Mapping[int, float | None] | None,
    *,
    up: bool,
) -> list[float | None]:
    """The most (up) or the least that each value could have been."""
    out: list[float | None] = []
    changes = _changes(signal, hit, up=up)
    for at, value in enumerate(values):
        second = start + at * SECOND
        change = changes.get(second)
        if change is None:
            out.append(value)
        elif up:
            most = (value or 0.0) + change
            limit = cap.get(second) if cap is not None else None
            out.append(most if limit is None else min(most, max(value or 0.0, limit)))
        else:
            out.append((value or 0.0) - change)
    return out


def _changes(signal: Signal, hit: Mapping[str, Mapping[int, int]], *, up: bool) -> dict[int, float]:
    """By how much the value of each second that a lost row reaches could have been more (up) or less."""
    declared = {loss.table: loss for loss in signal.losses}
    out: dict[int, float] = defaultdict(float)
    for table, seconds in hit.items():
        loss = declared.get(table)
        each = math.inf if loss is None else loss.raises if up else loss.lowers
        reach = signal.lookback_ns if loss is None else loss.within_ns
        for second, rows in seconds.items():
            for later in range(0, reach + SECOND, SECOND) if rows else ():
                out[second + later] += rows * each
    return out


def highest(
    signal: Signal, lost: Mapping[str, Mapping[int, int]], start: int, values: Sequence[float | None]
) -> dict[int, float | None]:
    """The most that each value could have been, whatever was lost: for a signal that is the limit of another."""
    bounds = _bounds(signal, lost, start, values, None, up=True)
    return {start + at * SECOND: value for at, value in enumerate(bounds)}
