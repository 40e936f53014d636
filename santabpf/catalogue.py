"""What can be recorded and judged: the probes and scenarios that this SantaBPF finds, as plain tables.

Out: pandas tables for people. Never: a node, a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import places
from .completion import looks_up
from .display.words import Col, Table, Words
from .errors import BadUsage
from .probes import SETS, all_probes, broken_probes, expand, get_probe
from .probes.cost import load_cost
from .scenarios import all_scenarios, broken_scenarios, get_scenario
from .tables import frame_tables, own_tables

if TYPE_CHECKING:
    import pandas as pd

    from .schema import Schema

    _Table = Callable[[Iterable[str]], pd.DataFrame]
_Thing = TypeVar("_Thing")


@looks_up
class Shelf(Generic[_Thing]):
    """What there is of one kind, by name: sb.probes["runq"], sb.probes.runq, or sb.probes() for all as a table."""

    def __init__(
        self, everything: Callable[[], dict[str, _Thing]], one: Callable[[str], _Thing], table: _Table
    ) -> None:
        self._everything, self._one, self._table = everything, one, table
        self.__doc__ = table.__doc__

    def __call__(self, names: Iterable[str] = ()) -> pd.DataFrame:
        return self._table(names)

    def __getitem__(self, name: str) -> _Thing:
        return self._one(name)

    def __getattr__(self, name: str) -> _Thing:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._one(name)
        except BadUsage as exc:
            raise AttributeError(str(exc)) from exc

    def __iter__(self) -> Iterator[str]:
        return iter(self._everything())

    def __len__(self) -> int:
        return len(self._everything())

    def __contains__(self, name: object) -> bool:
        return name in self._everything()

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._everything()})

    def _ipython_key_completions_(self) -> list[str]:
        return sorted(self._everything())

    @property
    def _words(self) -> Words:
        told = [[name, getattr(thing, "title", "") or getattr(thing, "summary", "")]
                for name, thing in sorted(self._everything().items())]  # fmt: skip
        return Words(Table([Col("name", "code"), Col("what")], told))

    def __repr__(self) -> str:
        return str(self._words)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self._words._repr_mimebundle_(include, exclude)


def _probe_table(names: Iterable[str] = ()) -> pd.DataFrame:
    """One row is one probe: name, summary, sets, tables, params (with unit and default), cost, measured, ..., source.

    names            only these probes and sets; raises BadUsage for an unknown one
    measured         what a load that hits it hard lost, in pairs with and without it; empty where it was not measured
    dearer_percent   of that, the CPU in percent, None where it was not measured
    ns_a_run         of that, the time in its programs for each run of one, None also where it has none
    source           empty for what ships with SantaBPF, else the folder it comes from
    """
    import pandas as pd

    wanted = {get_probe(probe).name for name in names for probe in expand(name) or [name]}
    return pd.DataFrame(
        [
            {
                "name": p.name,
                "summary": p.summary,
                "sets": list(p.sets),
                "tables": [t.name for t in p.tables],
                "params": [f"{q.name}={q.default} {q.unit}" for q in p.params],
                "cost": p.cost,
                "measured": cost.to_text() if cost else "",
                "dearer_percent": cost.dearer if cost else None,
                "ns_a_run": cost.bpf_ns if cost else None,
                "source": _source("probes", p.name),
            }
            for p in all_probes().values()
            if not wanted or p.name in wanted
            for cost in [load_cost(p.folder)]
        ],
        dtype=object,
    )


#: Everything that can be recorded.
probes = Shelf(all_probes, get_probe, _probe_table)


def probe_sets() -> dict[str, str]:
    """Each set of probes, and what it is for."""
    return dict(SETS)


def _scenario_table(names: Iterable[str] = ()) -> pd.DataFrame:
    """One row is one scenario: name, title, summary, needs (its probes), source (as for probes).

    names  only these; raises BadUsage for an unknown one
    """
    import pandas as pd

    wanted = {get_scenario(name).name for name in names}

    return pd.DataFrame(
        [
            {
                "name": s.name,
                "title": s.title,
                "summary": s.summary,
                "needs": list(s.needs),
                "source": _source("scenarios", s.name),
            }
            for s in all_scenarios().values()
            if not wanted or s.name in wanted
        ]
    )


#: Everything that can be judged.
scenarios = Shelf(all_scenarios, get_scenario, _scenario_table)


def broken() -> Iterator[tuple[str, str]]:
    """Each probe and scenario that is found and can't be read, and why, with file and line."""
    yield from ((f"probe {name}", why) for name, why in broken_probes().items())
    yield from ((f"scenario {name}", scenario.broken) for name, scenario in broken_scenarios().items())


def reference() -> str:
    """docs/tables.md: every table that a recording can hold, with its columns, out of the YAML."""
    lines = [
        "# Tables and columns",
        "",
        "Written by `make docs` out of each `probe.yaml` and `santabpf/tables.yaml`. Times are UTC ns since the epoch.",
        "What each probe does not measure, and how to read its tables, stands in its README.",
        "",
    ]
    for probe in (p for p in all_probes().values() if places.is_shipped("probes", p.name)):
        sets = f" In the sets {', '.join(probe.sets)}." if probe.sets else " In no set but everything."
        lines += [f"## Probe {probe.name}", "", f"{probe.summary}{sets}", ""]
        if probe.params:
            lines += ["| parameter | unit | default | what it says |", "|---|---|---|---|"]
            lines += [f"| `{p.name}` | {p.unit} | {p.default} | {p.description} |" for p in probe.params] + [""]
        for table in probe.tables:
            lines += _table(table.schema, f"{table.source}, {table.when}" if table.source == "proc" else table.source)
    lines += ["## About the recording itself", "", "Every recording has these.", ""]
    for schema in own_tables().values():
        lines += _table(schema, "made by Santa")
    lines += ["## Names of frames", "", "A recording with stacks, of `profile` or `offcpu`, has these besides.", ""]
    for schema in frame_tables().values():
        lines += _table(schema, "made by Santa")
    return "\n".join(lines).rstrip() + "\n"


def _table(schema: Schema, source: str) -> list[str]:
    rows = [
        f"| `{c.name}` | {c.arrow_type} | {c.unit} | {c.description} |".replace("<item: ", "<") for c in schema.columns
        if c.kind != "pad"
    ]  # fmt: skip
    head = ["| column | type | unit | what it says |", "|---|---|---|---|"]
    return [f"### {schema.table}", "", f"{schema.description} ({source})", "", *head, *rows, ""]


def _source(room: places.Room, name: str) -> str:
    if places.is_shipped(room, name):
        return ""
    instead = " (instead of the one that ships)" if name in places.replaced(room) else ""
    return f"{places.found(room)[name]}{instead}"
