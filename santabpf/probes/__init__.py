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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Literal

from .. import cards, places
from ..errors import BadScenario, BadUsage, nearest
from ..schema import NAME, UNITS, Column, Fields, Node, Schema, load_yaml, parse_columns

HERE = Path(__file__).parent
Source = Literal["ring", "map", "proc"]
SOURCES = ("ring", "map", "proc")
SOCK_DIAG = ("listen", "passing")  # TCP sockets that listen, and those neither established nor in TIME_WAIT
#: Names for several probes at once; `-p default` records all that have it under `sets:`.
SETS = {
    "default": "cheap enough to leave on always: who ran, who died, who waited, what failed",
    "cpu": "who used or wanted the CPUs",
    "memory": "who ran out of memory, and what that did to the page cache",
    "disk": "what was read and written, and who waited for it",
    "network": "connections, losses, names, queues",
    "security": "privileges, logins, and what an intruder does",
    "everything": "all probes, the dear ones too",
}
EVERYTHING = "everything"


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

    source ``ring``: one record an event. ``map``: keys and cumulative per-CPU values, read once a second; with
    ``snapshot`` the program itself puts in and takes out what stands now, and each reading gives a row for each key.
    ``proc``: files the elf reads, at the start or once a second, that parse.py turns into rows.
    """

    name: str
    source: Source
    schema: Schema
    ring_bytes: int = 0  # ring: size of the ring buffer, a power of two
    entries: int = 0  # map: how many keys; an array when it has the one key `slot`
    files: tuple[str, ...] = ()  # proc: whole paths, read once a second
    each_process: tuple[str, ...] = ()  # proc: files below /proc/PID
    each_cgroup: tuple[str, ...] = ()  # proc: files of each cgroup, as "<path>/cpu.stat"; see elf/cgroupfs.py
    sock_diag: tuple[str, ...] = ()  # proc: sockets of these states, as "sock_diag/listen"; see elf/sockdiag.py
    when: Literal["start", "second"] = "second"  # proc
    only_changed: bool = False  # proc: leave out the files of a process that did not change since the last second
    snapshot: bool = False  # map: an ordinary hash, whose values do not add up

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
    btf: dict[str, str]  # C constant -> an expression of elf/btf.py, or "field CATEGORY:EVENT.NAME"; alternatives by |
    needs: tuple[str, ...]  # members of btf without which the probe can't run; the others are 0xffffffff when absent
    cost: str
    kernels: str
    sources: tuple[str, ...]
    sets: tuple[str, ...] = ()  # of SETS: under which names it is recorded together with others

    @property
    def program(self) -> str | None:
        """The text of probe.bpf.c, None for a probe that has none."""
        path = self.folder / "probe.bpf.c"
        return path.read_text(encoding="utf-8") if path.exists() else None

    @property
    def has_frames(self) -> bool:
        """Does it record frames of programs, or of the kernel, that are to be given names?"""
        return any(column.kind in ("frames", "stack") for table in self.tables for column in table.schema.columns)

    @property
    def parse(self) -> Callable[..., Any]:
        """rows() of its parse.py, for a probe with proc tables. Raises BadScenario where that can't be imported."""
        path = self.folder / "parse.py"
        spec = spec_from_file_location(f"{__name__}.{self.name}.parse", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            rows: Callable[..., Any] = module.rows
        except Exception as exc:
            raise BadScenario(f"{path}: {type(exc).__name__}: {exc}") from exc
        return rows

    def __repr__(self) -> str:
        return f"<Probe {self.name}: {self.summary}>"

    def __str__(self) -> str:
        return str(cards.probe(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return cards.probe(self)._repr_mimebundle_(include, exclude)


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
        tuple(fields.take("sets", list, [])),
    )
    fields.done()
    for wanted in probe.sets:
        if wanted not in SETS or wanted == EVERYTHING:
            raise fields.fail("sets", f"{wanted!r} is no set; {nearest(wanted, SETS)}")
    _check_attach(probe, fields)
    if (probe.program is None) != (not probe.attach):
        raise BadScenario(f"{path}:{fields.line('attach')}: attach and probe.bpf.c go together")
    return probe


_ATTACH = re.compile(
    r"(raw_tracepoint:\w+|tracepoint:\w+:\w+|perf_event:cpu_clock@(?P<param>\w+)|perf_event:page_faults_maj"
    r"|u(ret)?probe:[\w.+-]+:\w+)\??"
)


def _check_attach(probe: Probe, fields: Fields) -> None:
    """Each entry must be of a known kind. One that ends in `?` may be lacking; the C text sees HAS_<NAME> as 0 then."""
    for entry in probe.attach:
        match = _ATTACH.fullmatch(entry) if isinstance(entry, str) else None
        if match is None:
            raise fields.fail(
                "attach", f"{entry!r} is none of raw_tracepoint:NAME, tracepoint:CATEGORY:EVENT, "
                "perf_event:cpu_clock@PARAM, perf_event:page_faults_maj, uprobe:LIB:SYMBOL, uretprobe:LIB:SYMBOL"
            )  # fmt: skip
        if match["param"] and match["param"] not in [p.name for p in probe.params]:
            raise fields.fail("attach", f"{entry!r}: there is no parameter {match['param']!r}")


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
        Schema(name, description, columns, fields.take("title", str, "")),
        fields.take("ring_bytes", int, 1 << 20) if source == "ring" else 0,
        fields.take("entries", int) if source == "map" else 0,
        tuple(fields.take("files", list, [])) if source == "proc" else (),
        tuple(fields.take("each_process", list, [])) if source == "proc" else (),
        tuple(fields.take("each_cgroup", list, [])) if source == "proc" else (),
        tuple(fields.take("sock_diag", list, [])) if source == "proc" else (),
        fields.take("when", str, "second") if source == "proc" else "second",
        fields.take("only_changed", bool, False) if source == "proc" else False,
        fields.take("snapshot", bool, False) if source == "map" else False,
    )
    fields.done()
    if source == "proc" and table.schema.needs_paths:
        raise fields.fail("columns", "only the tables of programs have columns that are made `of` another one")
    if source == "ring":
        _check_ring(table, fields)
    if source == "map":
        _check_map(table, fields)
    if source == "proc" and not (table.files or table.each_process or table.each_cgroup or table.sock_diag):
        raise fields.fail("files", "a proc table needs files, each_process, each_cgroup or sock_diag")
    for wanted in table.sock_diag:
        if wanted not in SOCK_DIAG:
            raise fields.fail("sock_diag", f"{wanted!r} is unknown; {nearest(wanted, SOCK_DIAG)}")
    if columns[0].name != "ts_ns":
        raise fields.fail("columns", "the first column must be ts_ns")
    return table


def _check_ring(table: Table, fields: Fields) -> None:
    """The C struct must have no padding that the YAML does not name, or the columns would shift."""
    if table.ring_bytes < 4096 or table.ring_bytes & (table.ring_bytes - 1):
        raise fields.fail("ring_bytes", f"{table.ring_bytes} is no power of two of at least 4096")
    at = 0
    for column in table.schema.fields:
        width = column.c_align
        if at % width:
            raise fields.fail("columns", f"{column.name} would start at byte {at}, not aligned to {width}: add a pad")
        at += column.c_bytes
    if at % 8:
        raise fields.fail("columns", f"the record is {at} bytes long, no multiple of 8: add a pad at its end")
    if table.schema.columns[0].kind != "clock":
        raise fields.fail("columns", "the first column must be ts_ns, of kind clock")


def _check_map(table: Table, fields: Fields) -> None:
    """Values that are added up over CPUs and over time must say so; those of a snapshot must not."""
    if not (table.keys and table.values):
        raise fields.fail("columns", "a map needs columns with `key: true` and others with a `c` type")
    if table.snapshot:
        if any(v.cumulative or v.peak for v in table.values):
            raise fields.fail("columns", "the values of a snapshot are what stands now, neither cumulative nor a peak")
        return
    if not all(v.cumulative or v.peak or v.kind == "text" for v in table.values):
        raise fields.fail("columns", "the values of a map must be `cumulative: true`, or a `peak: true`, or a text")
    if not any(value.cumulative for value in table.values):
        raise fields.fail("columns", "one value of a map must be `cumulative: true`")
    if any(v.unknown == 0 and v.cumulative for v in table.values):
        raise fields.fail("columns", "a count starts at 0, so its `unknown` must be another number")


def all_probes() -> dict[str, Probe]:
    """Every probe folder that is found (see places.py), by name, but for those that can't be read."""
    return _load_all(places.key())[0]


def broken_probes() -> dict[str, str]:
    """Of each probe that is found and can't be read, why."""
    return _load_all(places.key())[1]


@cache
def _load_all(key: str) -> tuple[dict[str, Probe], dict[str, str]]:
    whole: dict[str, Probe] = {}
    broken: dict[str, str] = {}
    for name, folder in places.found("probes").items():
        try:
            whole[name] = load_probe(folder)
        except BadScenario as exc:
            broken[name] = str(exc)
    return whole, broken


def get_probe(name: str) -> Probe:
    """The probe of that name. Raises BadUsage with the nearest name, BadScenario where it is broken."""
    if name in broken_probes():
        raise BadScenario(broken_probes()[name])
    try:
        return all_probes()[name]
    except KeyError:
        raise BadUsage(f"there is no probe {name!r}; {nearest(name, [*all_probes(), *SETS])}") from None


def table_probe(table: str) -> Probe | None:
    """The probe that fills this table; None if none does."""
    return next((p for p in all_probes().values() if any(t.name == table for t in p.tables)), None)


def expand(spec: str) -> list[str] | None:
    """The names of the probes of a set; None where this names no set. Raises BadUsage where a set has parameters.

    Where a set has a probe of its own name, the name alone is the set, with parameters it is that probe.
    """
    name, colon, _ = spec.partition(":")
    if name not in SETS or (colon and name in all_probes()):
        return None
    if colon:
        raise BadUsage(f"a set of probes takes no parameters: name the probe besides, as in -p {name} -p runq:...")
    return [p.name for p in all_probes().values() if name == EVERYTHING or name in p.sets]


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
