"""SantaBPF: postmortems of Linux nodes out of BPF recordings.

    import santabpf as sb
    rec = sb.record(nodes=["web-1"], scenarios=["short_lived_jobs"], duration="30s")
    rec = sb.open("recordings/short_lived_jobs");  rec["exec"].df();  rec.sql("select ...")
    result = sb.replay(rec);  result.verdicts;  result.alarms;  result.signals
    sb.report(rec, out="postmortem.html")

The names below are all there is to know; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "record": "record",
    "open": "recording",
    "Recording": "recording",
    "replay": "replay",
    "Result": "replay",
    "Verdict": "verdict",
    "report": "report",
    "watch": "watch",
    "check": "check",
    "drill": "gym",
    "reproduce": "gym",
    "probes": "catalogue",
    "scenarios": "catalogue",
    "SantaError": "errors",
}
__all__ = [*_HOME, "__version__"]  # noqa: PLE0604 - strings, all of them

if TYPE_CHECKING:
    from .check import check as check
    from .errors import SantaError as SantaError
    from .gym import drill as drill
    from .gym import reproduce as reproduce
    from .record import record as record
    from .recording import Recording as Recording
    from .recording import open as open
    from .replay import Result as Result
    from .replay import replay as replay
    from .report import report as report
    from .verdict import Verdict as Verdict
    from .watch import watch as watch


def __getattr__(name: str) -> Any:
    """Import the room that a public name lives in, the first time the name is used."""
    if name not in _HOME:
        raise AttributeError(f"module 'santabpf' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
