"""The fault gym: provoke a scenario for real, within bounds, record it, and see that the verdict is right.

    run.py                 what a drill does, from provoking to judging
    contain.py             a cell: holds whatever runs in it
    guardian.py, cell.py   the two processes behind a cell; stdlib only, they import nothing of SantaBPF
    groups.py              where cells find their control groups
    keep.py                makes a drill's recording fit to be shared

In: a scenario's folder. Out: a recording and whether its verdict is the expected one. Never: leaves anything behind.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contain import Cell, Limits, contain
    from .run import DrillResult, Provoked, Variant, drill, reproduce, variants

_HOME = {
    "Cell": "contain",
    "Limits": "contain",
    "contain": "contain",
    "DrillResult": "run",
    "Provoked": "run",
    "Variant": "run",
    "drill": "run",
    "reproduce": "run",
    "variants": "run",
}
__all__ = ["Cell", "DrillResult", "Limits", "Provoked", "Variant", "contain", "drill", "reproduce", "variants"]


def __getattr__(name: str) -> Any:
    """Imported when first used: the package must cost nothing to those who want a cell only."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
