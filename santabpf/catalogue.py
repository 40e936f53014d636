"""What can be recorded and judged: the probes and scenarios that this SantaBPF finds, as plain tables.

Out: pandas tables for people. Never: a node, a recording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .probes import all_probes
from .scenarios import all_scenarios

if TYPE_CHECKING:
    import pandas as pd


def probes() -> pd.DataFrame:
    """One row is one probe: name, summary, tables, params (with unit and default), cost."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "name": p.name,
                "summary": p.summary,
                "tables": [t.name for t in p.tables],
                "params": [f"{q.name}={q.default} {q.unit}" for q in p.params],
                "cost": p.cost,
            }
            for p in all_probes().values()
        ]
    )


def scenarios() -> pd.DataFrame:
    """One row is one scenario: name, title, summary, needs (its probes)."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"name": s.name, "title": s.title, "summary": s.summary, "needs": list(s.needs)}
            for s in all_scenarios().values()
        ]
    )
