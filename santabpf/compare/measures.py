"""What can be asked of a table: its dimensions (who, where, which) and its measures (how many, how much, how long).

In: a probe's table, out of its YAML. Out: a Plan. Pure.

A column of text is a dimension, and so is a number that names something people know (an errno, a port). Times, sizes
and counts are measures: what adds up is summed, what only stood there is averaged, and of what each event took, p50
and p99 are taken too. Identities that mean nothing elsewhere (a pid, an inode) are neither.
"""

from __future__ import annotations

import errno
import re
import signal
from dataclasses import dataclass
from typing import Literal

from ..probes import Table, all_probes
from ..schema import Column
from ..units import MS, format_bytes, format_duration

Kind = Literal["count", "sum", "level", "p50", "p99"]

#: Kinds of columns whose values name something.
_NAMES = ("text", "ip", "syscall", "qname", "cgroup", "pod", "container", "bool")
#: Numbers that name something, by the end of the column's name.
_NUMBERS = ("error", "errno", "signal", "uid", "port", "code", "rcode", "qtype", "protocol", "capability")
#: Names that a number makes different from each other, as of workers and containers: these stand together.
_NUMBERED = ("comm", "cgroup", "pod_id", "container_id", "filename", "path", "name")
#: Which dimension to name where several show the same: who, then what, then where; the others after these.
_TELLING = ("comm", "name", "filename", "path", "call", "error", "errno", "remote_ip", "cgroup", "op")
#: Texts that repeat what another column says better.
_REPEATS = ("detail", "argv_truncated", "counts_lookups", "tells_files", "to_process")
#: The least that is worth an event of its own: amounts are noisy as if they came in grains of this size. A count
#: comes one by one; of time a clock tick; of bytes 64 KiB.
GRAINS = {"ns": 10 * MS, "bytes": 64 << 10}
#: What explains a description to who knows the kernel's words.
_ASIDE = re.compile(r" *\([^)]*\)")
QUANTILES: dict[Kind, float] = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True)
class Measure:
    """One number to be asked for: of which column, and what is made of it."""

    kind: Kind
    column: str  # '' where rows are counted
    unit: str
    weight: str = ""  # of a quantile out of a histogram: the column that says how many
    words: str = ""  # for who knows neither the table nor the column: 'waits for a CPU, how long each was (p99)'

    @property
    def name(self) -> str:
        """Out of the column's name: 'p99 of wait_ns'."""
        if not self.column:
            return "rows" if self.kind == "count" else "rows at a time"
        kind = "mean" if self.kind == "level" else self.kind
        return self.column if self.kind == "sum" else f"{kind} of {self.column}"

    @property
    def is_rate(self) -> bool:
        """Is it so much a second?"""
        return self.kind in ("count", "sum")

    def shown(self, value: float | None, a_second: str = "/s") -> str:
        """A value for people; a_second: what stands behind a rate."""
        if value is None:
            return "–"
        if self.unit == "ns":
            words = format_duration(round(value))
        elif self.unit == "bytes":
            words = format_bytes(value)
        else:
            words = f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}".replace(",", " ")
        return words if value == 0 or not self.is_rate else words + a_second


@dataclass(frozen=True)
class Plan:
    """A table's dimensions and measures."""

    table: str
    dimensions: tuple[str, ...]
    flags: tuple[str, ...]  # those dimensions that are yes or no
    sums: tuple[Measure, ...]  # count, sum, level
    quantiles: tuple[Measure, ...]
    has_whole: bool  # do its rows add up to a whole? Those of cgroups hold one another
    is_events: bool  # a row is one event, not what a second came to
    finds_comm: bool  # comm is looked up by the process: the table itself does not have it


def plans(tables: list[str]) -> dict[str, Plan]:
    """The plans of those of these tables that a probe fills second by second, or event by event."""
    known = {table.name: table for probe in all_probes().values() for table in probe.tables}
    found = {name: plan(known[name]) for name in tables if name in known and known[name].when != "start"}
    return {name: made for name, made in found.items() if made.sums}


def plan(table: Table) -> Plan:
    """What to ask of a table."""
    columns = [c for c in table.schema.columns if c.kind != "pad" and c.name not in ("ts_ns", "span_ns")]
    names = {c.name for c in columns}
    dimensions = [
        c.name for c in columns
        if c.name not in _REPEATS and (c.kind in _NAMES or (c.unit == "id" and c.name.endswith(_NUMBERS)))
    ]  # fmt: skip
    finds_comm = "comm" not in names and {"tgid", "start_ns"} <= names
    amounts = [
        c for c in columns
        if c.kind == "number" and c.unit in ("ns", "bytes", "count", "ratio") and not c.peak and not c.running
        and not (table.only_changed and c.level)
    ]  # fmt: skip
    is_events = table.source == "ring"
    sums = [_measure(table, "level" if c.level else "sum", c) for c in amounts if not (is_events and c.level)]
    if is_events or table.snapshot:
        sums.insert(0, _measure(table, "count" if is_events else "level"))
    weight = next((c.name for c in amounts if c.unit == "count" and c.cumulative), "")
    spread = [(c, "") for c in amounts if is_events and c.unit == "ns"]
    spread += [(c, weight) for c in columns if c.kind == "log2" and weight]
    quantiles = [_measure(table, kind, c, w) for c, w in spread for kind in QUANTILES]
    return Plan(
        table.name, tuple((["comm"] if finds_comm else []) + dimensions),
        tuple(c.name for c in columns if c.kind == "bool" and c.name in dimensions), tuple(sums), tuple(quantiles),
        table.source != "proc" or not dimensions, is_events, finds_comm,
    )  # fmt: skip


def _measure(table: Table, kind: Kind, column: Column | None = None, weight: str = "") -> Measure:
    """With its words: the table's title, and what the column's description says before its first ; or :"""
    title = table.schema.title or table.schema.description.removeprefix("One row is ").rstrip(".")
    if column is None:
        return Measure(kind, "", "count", words=f"{title}, how many{'' if kind == 'count' else ' at a time'}")
    said = "how long each was" if column.kind == "log2" else re.split("[;:]", _ASIDE.sub("", column.description))[0]
    made = {"level": " (mean)", "sum": " (sum)" if table.source == "ring" else ""}.get(kind, f" ({kind})")
    return Measure(kind, column.name, column.unit, weight, f"{title}, {said}{made}")


def is_numbered(dimension: str) -> bool:
    """Are names in it that differ in numbers only taken together?"""
    return dimension.endswith(_NUMBERED)


def telling(dimension: str) -> int:
    """The lower, the more it says to people; the whole table says least."""
    if dimension in _TELLING:
        return _TELLING.index(dimension)
    return len(_TELLING) + (not dimension) + dimension.startswith(("was_", "is_", "cpu_", "uid"))


def shown_dimension(dimension: str) -> str:
    """A dimension's name for people: command, remote ip."""
    return "parent" if dimension == "pcomm" else dimension.replace("comm", "command").replace("_", " ")


def shown_label(dimension: str, label: str) -> str:
    """A label for people: ENOSPC (28), SIGKILL (9); others stay as they are."""
    name = ""
    if dimension.endswith(("error", "errno")) and label.lstrip("-").isdecimal():
        name = errno.errorcode.get(abs(int(label)), "")
    elif dimension.endswith("signal") and label.isdecimal() and int(label) in set(signal.Signals):
        name = signal.Signals(int(label)).name
    return f"{name} ({label})" if name else label
