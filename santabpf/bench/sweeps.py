"""A sweep: how long the settings of a scenario's alarm take over all bundled recordings.

In: names of scenarios. Out: figures. Never: a node.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from ..shipped import shipped
from ..sweep import library, sweep
from .figures import Family, Figure, Goal, Spread
from .recorders import Say

SWEEP = Goal(60.0)


def measure(names: Iterable[str], say: Say) -> Family:
    """Sweep each scenario once."""
    rows, taken = [], []
    for name in names:
        say(f"sweeping {name}")
        began = time.monotonic()
        result = sweep(name, library([shipped("recordings")]))
        seconds = time.monotonic() - began
        settings, judged = len(result.settings), len(result.faults) + len(result.others)
        taken.append(seconds * 1000 / settings)
        rows.append([name, f"{settings:,}", str(judged), f"{seconds:.1f}"])
    return Family(
        "A sweep",
        "Each scenario's first alarm with all settings that `santabpf sweep` tries, over the bundled recordings; its "
        "signals are computed once for each of them.",
        [Figure("a thousand settings of an alarm", "s", Spread.of(taken), SWEEP, "each scenario once")],
        [(["scenario", "settings", "recordings judged", "seconds"], rows)],
    )
