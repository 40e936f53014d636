"""The fault gym: provoke a scenario for real, within bounds, record it, and see that the verdict is right.

    run.py                 what a drill does, from provoking to judging
    contain.py             a cell: holds whatever runs in it
    guardian.py, cell.py   the two processes behind a cell; stdlib only, and nothing of SantaBPF
    apart.py               a Python process of its own, for the guardian and for the folder
    folder.py              where it is recorded: a folder that goes with whoever asked for it
    groups.py              where cells find their control groups
    variants.py            what a scenario's folder can provoke
    matrix.py              all of it, judged by all scenarios: how often verdicts are right

In: a scenario's folder. Out: a recording and whether its verdict is the expected one. Never: leaves anything behind.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .matrix import Accuracy, gym
    from .run import DrillResult, Provoked, drill, reproduce

_HOME = {
    "Accuracy": "matrix", "DrillResult": "run", "Provoked": "run", "drill": "run", "gym": "matrix", "reproduce": "run",
}  # fmt: skip
__all__ = ["Accuracy", "DrillResult", "Provoked", "drill", "gym", "reproduce"]


def __getattr__(name: str) -> Any:
    """Imported when first used: a cell's guardian imports this package, and it must cost it nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
