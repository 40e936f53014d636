"""SantaBPF: postmortems of Linux nodes out of BPF recordings.

    import santabpf as sb
    rec = sb.record(nodes=["web-1"], scenarios=["short_lived_jobs"], duration="30s")
    rec = sb.open("recordings/short_lived_jobs");  rec["exec"].df();  rec.sql("select ...")
    result = sb.replay(rec);  result.verdicts;  result.alarms;  result.signals
    sb.report(rec, out="postmortem.html")
    sb.compare("recordings/friday", "recordings/monday")

The names below are all there is to know; each is imported when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
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
    "compare": "compare",
    "window": "compare",
    "Comparison": "compare",
    "investigate": "workbench",
    "Investigation": "workbench",
    "play": "workbench",
    "live": "workbench",
    "watch": "watch",
    "check": "check",
    "drill": "gym",
    "reproduce": "gym",
    "probes": "catalogue",
    "scenarios": "catalogue",
    "SantaError": "errors",
}
__all__ = [*_HOME, "__version__"]

if TYPE_CHECKING:
    from .check import check as check
    from .compare import Comparison as Comparison
    from .compare import compare as compare
    from .compare import window as window
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
    from .workbench import Investigation as Investigation
    from .workbench import investigate as investigate
    from .workbench import live as live
    from .workbench import play as play


class _Package(ModuleType):
    """The package itself, on which a public name always means the thing and never the module of the same name.

    `import santabpf.replay.query` would otherwise put the module `replay` where people expect the function.
    """

    def __dir__(self) -> list[str]:
        return sorted(__all__)


class _Public:
    """A public name of the package. No `property`: IPython does not look behind one for `sb.probes.`"""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, package: ModuleType | None, kind: type) -> Any:
        return self if package is None else getattr(import_module(f".{_HOME[self.name]}", __name__), self.name)

    def __set__(self, package: ModuleType, module: object) -> None:
        """The import system binds each submodule it loads; the name is taken."""


for _name in _HOME:
    setattr(_Package, _name, _Public(_name))
sys.modules[__name__].__class__ = _Package
