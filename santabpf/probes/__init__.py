"""Probes: what can be recorded. One folder each, found by existing.

    probes/<name>/probe.yaml    attach points, parameters, tables with their columns, cost, kernels, sources
    probes/<name>/probe.bpf.c   the program, where it has one (a probe that only reads /proc has none)
    probes/<name>/parse.py      rows out of /proc files, where it reads any
    probes/<name>/README.md     what, what not, columns, an example with a reading
    probes/<name>/cases/        inputs with the rows they must become

In: those folders. Out: Probe values. Never: a node, a recording.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ..errors import BadScenario, BadUsage, nearest
from ..schema import NAME, UNITS, Column, Fields, Node, Schema, load_yaml, parse_columns

HERE = Path(__file__).parent
Source = Literal["ring", "map", "proc"]
SOURCES = ("ring", "map", "proc")


@dataclass(frozen=True)
class Param:
    """A setting of a probe; the program sees it as a C constant of the same name in capitals."""

    name: str
    unit: str
    default: int
    description: str


@dataclass(frozen=True)
class Table:
    """One table that a probe fills.

    source ``ring``: one record an event. ``map``: keys and cumulative per-CPU values, read once a second.
    ``proc``: files the elf reads, at the start or once a second, that parse.py turns into rows.
    """

    name: str
    source: Source
    schema: Schema
    ring_bytes: int = 0  # ring: size of the ring buffer, a power of two
    entries: int = 0  # map: how many keys; an array when it has the one key `slot`
    files: tuple[str, ...] = ()  # proc: whole paths, read once a second
    each_process: tuple[str, ...] = ()  # proc: files below /proc/PID
    when: Literal["start", "second"] = "second"  # proc
    only_changed: bool = False  # proc: leave out the files of a process that did not change since the last second

    @property
    def keys(self) -> tuple[Column, ...]:
        """map: the columns of the key, in order."""
        return tuple(c for c in self.schema.columns if c.key)

    @property
    def values(self) -> tuple[Column, ...]:
        """map: the columns of the value, in order (those with a C type that are no key)."""
        return tuple(c for c in self.schema.columns if c.c is not None and not c.key)


@dataclass(frozen=True)
class Probe:
    """One probe folder, read and checked."""

    name: str
    summary: str
    folder: Path
    attach: tuple[str, ...]
    params: tuple[Param, ...]
    tables: tuple[Table, ...]
    btf: dict[str, str]  # C constant -> "struct.member[.member]", alternatives separated by |
    needs: tuple[str, ...]  # members of btf without which the probe can't run; the others are 0xffffffff when absent
    cost: str
    kernels: str
    sources: tuple[str, ...]

    @property
    def program(self) -> str | None:
        """The text of probe.bpf.c, None for a probe that has none."""
        path = self.folder / "probe.bpf.c"
        return path.read_text(encoding="utf-8") if path.exists() else None


def load_probe(folder: Path) -> Probe:
    """Read and check one probe folder. Raises BadScenario with file and line."""
    path = folder / "probe.yaml"
    fields = Fields(load_yaml(path), path)
    name = fields.take("name", str)
    if name != folder.name:
        raise fields.fail("name", f"is {name!r}, but the folder is called {folder.name!r}")
    btf = fields.take("btf", Node, Node())
    needs = tuple(fields.take("needs", list, []))
    for wanted in needs:
        if wanted not in btf:
            raise fields.fail("needs", f"{wanted!r} is not under btf; {nearest(wanted, btf)}")
    probe = Probe(
        name,
        " ".join(fields.take("summary", str).split()),
        folder,
        tuple(fields.take("attach", list, [])),
        tuple(_param(row, path) for row in fields.take("params", list, [])),
        tuple(_table(key, row, path) for key, row in fields.take("tables", Node).items()),
        dict(btf),
        needs,
        " ".join(fields.take("cost", str).split()),
        " ".join(fields.take("kernels", str).split()),
        tuple(fields.take("sources", list)),
    )
    fields.done()
    if (probe.program is None) != (not probe.attach):
        raise BadScenario(f"{path}:{fields.line('attach')}: attach and probe.bpf.c go together")
    return probe


def _param(row: object, path: Path) -> Param:
    fields = Fields(row, path, "params")
    param = Param(
        fields.take("name", str), fields.take("unit", str), fields.take("default", int), fields.take("description", str)
    )
    if not NAME.fullmatch(param.name) or param.unit not in UNITS:
        raise fields.fail("name", f"{param.name!r} must match [a-z][a-z0-9_]*, its unit be one of {', '.join(UNITS)}")
    fields.done()
    return param


def _table(name: str, row: object, path: Path) -> Table:
    where = f"tables.{name}"
    fields = Fields(row, path, where)
    if not NAME.fullmatch(name):
        raise fields.fail("description", f"the table's name {name!r} must match [a-z][a-z0-9_]*")
    source = fields.take("source", str)
    if source not in SOURCES:
        raise fields.fail("source", f"{source!r} is unknown; {nearest(source, SOURCES)}")
    description = " ".join(fields.take("description", str).split())
    columns = parse_columns(fields.take("columns", list), path, where, c_types=source == "ring")
    table = Table(
        name,
        source,
        Schema(name, description, columns),
        fields.take("ring_bytes", int, 1 << 20) if source == "ring" else 0,
        fields.take("entries", int) if source == "map" else 0,
        tuple(fields.take("files", list, [])) if source == "proc" else (),
        tuple(fields.take("each_process", list, [])) if source == "proc" else (),
        fields.take("when", str, "second") if source == "proc" else "second",
        fields.take("only_changed", bool, False) if source == "proc" else False,
    )
    fields.done()
    if source == "ring":
        _check_ring(table, fields)
    if source == "map" and not (table.keys and table.values):
        raise fields.fail("columns", "a map needs columns with `key: true` and others with a `c` type")
    if not all(value.cumulative for value in table.values if source == "map"):
        raise fields.fail("columns", "the values of a map must be `cumulative: true`")
    if source == "proc" and not (table.files or table.each_process):
        raise fields.fail("files", "a proc table needs files or each_process")
    if columns[0].name != "ts_ns":
        raise fields.fail("columns", "the first column must be ts_ns")
    return table


def _check_ring(table: Table, fields: Fields) -> None:
    """The C struct must have no padding that the YAML does not name, or the columns would shift."""
    if table.ring_bytes < 4096 or table.ring_bytes & (table.ring_bytes - 1):
        raise fields.fail("ring_bytes", f"{table.ring_bytes} is no power of two of at least 4096")
    at = 0
    for column in table.schema.columns:
        width = 1 if (column.c or "").startswith("char") else column.c_bytes
        if at % width:
            raise fields.fail("columns", f"{column.name} would start at byte {at}, not aligned to {width}: add a pad")
        at += column.c_bytes
    if at % 8:
        raise fields.fail("columns", f"the record is {at} bytes long, no multiple of 8: add a pad at its end")
    if table.schema.columns[0].kind != "clock":
        raise fields.fail("columns", "the first column must be ts_ns, of kind clock")


@cache
def all_probes() -> dict[str, Probe]:
    """Every probe folder of this package, by name."""
    return {folder.name: load_probe(folder) for folder in sorted(HERE.iterdir()) if (folder / "probe.yaml").exists()}


def get_probe(name: str) -> Probe:
    """The probe of that name. Raises BadUsage with the nearest name."""
    try:
        return all_probes()[name]
    except KeyError:
        raise BadUsage(f"there is no probe {name!r}; {nearest(name, all_probes())}") from None


def table_probe(table: str) -> Probe | None:
    """The probe that fills this table; None if none does."""
    return next((p for p in all_probes().values() if any(t.name == table for t in p.tables)), None)


_SPEC = re.compile(r"(?P<probe>[^:]+)(?::(?P<params>.*))?")


def parse_probe(spec: str) -> tuple[Probe, dict[str, int]]:
    """'runq' or 'runq:min_wait_ns=1000000' -> the probe and all its parameters. Raises BadUsage."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise BadUsage(f"{spec!r} names no probe; write it like runq or runq:min_wait_ns=1000000")
    probe = get_probe(match["probe"])
    values = {p.name: p.default for p in probe.params}
    for pair in filter(None, (match["params"] or "").split(",")):
        key, _, value = pair.partition("=")
        if key not in values:
            raise BadUsage(f"probe {probe.name} has no parameter {key!r}; {nearest(key, values)}")
        try:
            values[key] = int(value)
        except ValueError:
            raise BadUsage(f"{spec!r}: {key} must be a whole number, not {value!r}") from None
    return probe, values
