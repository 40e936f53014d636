"""What can be recorded and judged: the probes and scenarios that this SantaBPF finds, as plain tables.

Out: pandas tables for people. Never: a node, a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import places
from .probes import SETS, all_probes, expand, get_probe
from .probes.cost import load_cost
from .scenarios import all_scenarios
from .tables import frame_tables, own_tables

if TYPE_CHECKING:
    import pandas as pd

    from .schema import Schema


def probes(names: Iterable[str] = ()) -> pd.DataFrame:
    """One row is one probe: name, summary, sets, tables, params (with unit and default), cost, measured, source.

    names     only these probes and sets; raises BadUsage for an unknown one
    measured  what a load that hits it hard lost, in pairs with and without it; empty where it was not measured
    source    empty for what ships with SantaBPF, else the folder it comes from
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
                "measured": cost.to_text() if (cost := load_cost(p.folder)) else "",
                "source": _source("probes", p.name),
            }
            for p in all_probes().values()
            if not wanted or p.name in wanted
        ]
    )


def probe_sets() -> dict[str, str]:
    """Each set of probes, and what it is for."""
    return dict(SETS)


def scenarios() -> pd.DataFrame:
    """One row is one scenario: name, title, summary, needs (its probes), source (as for probes)."""
    import pandas as pd

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
        ]
    )


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
