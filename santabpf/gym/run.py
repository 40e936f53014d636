"""A drill: provoke a scenario in a cell, record the cell, judge the recording, and compare with what must come out.

In: the name of a scenario. Out: a DrillResult. Never: provokes anything outside of a cell, or on another node.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadUsage, CannotProvoke
from ..scenarios import get_scenario
from ..units import SECOND
from .contain import Ended, Limits, Script, contain
from .variants import Variant, get_variant

if TYPE_CHECKING:
    from ..recording import Recording, Writer
    from ..verdict import Verdict

QUIET_S = 3  # watched before the fault, so that its onset can be seen
AFTER_S = 2  # and after it
SECONDS_MAX = 600
_SETUP_S = 60  # for the script's own preparations, the recorder's start and what is in flight at the end
_NOT_INSTALLED = 77


@dataclass(frozen=True)
class DrillResult:
    """What a drill gave: recording, where it was to be kept, and report, the postmortem, where it was asked for."""

    scenario: str
    variant: str
    verdict: Verdict
    expected: str
    recording: Recording | None
    report: Path | None

    @property
    def ok(self) -> bool:
        """The verdict is the one that must come out."""
        return self.verdict.state == self.expected

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "scenario": self.scenario,
            "variant": self.variant,
            "expected": self.expected,
            "state": self.verdict.state,
            "ok": self.ok,
            "recording": None if self.recording is None else str(self.recording.path),
            "report": None if self.report is None else str(self.report),
        }

    def to_text(self) -> str:
        """The verdict, and whether it is right."""
        outcome = "as it must be" if self.ok else f"WRONG: it must be {self.expected}"
        lines = [f"drill {self.scenario}, {self.variant}: {self.verdict.state}, {outcome}", "", self.verdict.to_text()]
        lines += [f"recording: {self.recording.path}"] if self.recording is not None else []
        lines += [f"report: {self.report}"] if self.report is not None else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Provoked:
    """What came of provoking a scenario without looking."""

    scenario: str
    variant: str
    cgroup: str
    ended: Ended

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "scenario": self.scenario,
            "variant": self.variant,
            "cgroup": self.cgroup,
            "code": self.ended.code,
            "output": self.ended.output,
        }

    def to_text(self) -> str:
        """One line, and what the script printed."""
        said = f"\n{self.ended.output.rstrip()}" if self.ended.output.strip() else ""
        return f"{self.scenario}, {self.variant}: provoked in {self.cgroup}; nothing of it is left{said}"


def drill(
    scenario: str,
    variant: str | None = None,
    *,
    seconds: int = 12,
    node: str = "local",
    keep: str | Path | None = None,
    report: str | Path | None = None,
    progress: bool = False,
) -> DrillResult:
    """Provoke a scenario for real, record it, and see whether the verdict is right.

    variant   one of its faults, or a look-alike that must stay quiet; the first fault by default
    seconds   how long it is provoked; some quiet seconds come before and after
    node      only "local" for now
    keep      keep the recording, anonymised, in this new folder
    report    write its postmortem to this file

    Raises: BadUsage, CannotContain, CannotProvoke, and as record() does.
    """
    chosen = get_scenario(scenario)
    planned = get_variant(chosen.folder, variant)
    _check_seconds(seconds)
    if node != "local":
        raise BadUsage(
            f"a drill on {node!r} is not possible: drills are provoked on this machine only; leave --node out"
        )
    if keep is not None and Path(keep).exists():
        raise BadUsage(f"{keep} exists already; a recording needs a new folder")
    from ..record import record
    from ..recording import open as open_recording
    from ..recording.share import share

    with tempfile.TemporaryDirectory(prefix="santabpf-drill-") as folder:
        path = Path(folder) / f"{chosen.name}-{planned.name}"
        with contain(chosen.name, _limits(seconds)) as cell:
            conductor = _Conductor(cell.start(planned.script, [*planned.args, str(seconds)]))
            made = record(
                {"node-1": "local"},
                [scenario],
                duration=QUIET_S + seconds + AFTER_S + _SETUP_S,
                out=path,
                scope={"cgroup": cell.cgroup},
                progress=progress,
                stop=conductor.stop,
                on_second=conductor.look,
            )
            conductor.check(planned, chosen.name)
        if keep is not None:
            made = share(made, keep)
        verdict, written = _judge(made, scenario, report)
    kept = None if keep is None else open_recording(keep)
    return DrillResult(chosen.name, planned.name, verdict, planned.expected, kept, written)


def reproduce(
    scenario: str,
    variant: str | None = None,
    *,
    seconds: int = 12,
    say: Callable[[str], None] = lambda line: None,
) -> Provoked:
    """Only provoke a scenario, contained, and wait for its end: to look at it with tools of one's own.

    say is told where to look, as it begins. Raises: BadUsage, CannotContain, CannotProvoke.
    """
    chosen = get_scenario(scenario)
    planned = get_variant(chosen.folder, variant)
    _check_seconds(seconds)
    with contain(chosen.name, _limits(seconds)) as cell:
        script = cell.start(planned.script, [*planned.args, str(seconds)])
        say(f"{chosen.name}, {planned.name}: for {seconds} s, in the control group {cell.cgroup}")
        script.go()
        ended = script.wait()
        _check_end(ended, planned, chosen.name)
        return Provoked(chosen.name, planned.name, cell.cgroup, ended)


class _Conductor:
    """Gives the script its word after some watched, quiet seconds, and stops the recorder some after its end."""

    def __init__(self, script: Script) -> None:
        self.stop = threading.Event()
        self._script = script
        self._began_ns = 0
        self._over_ns = 0

    def look(self, writer: Writer, closed_ns: int) -> None:
        """All seconds before closed_ns are recorded."""
        self._began_ns = self._began_ns or closed_ns
        if not self._over_ns and self._script.over.is_set():
            self._over_ns = closed_ns
        if self._over_ns and closed_ns >= self._over_ns + AFTER_S * SECOND:
            self.stop.set()
        elif closed_ns >= self._began_ns + (QUIET_S - 1) * SECOND:
            self._script.go()

    def check(self, variant: Variant, scenario: str) -> None:
        """Raises CannotProvoke where the script did not do what it is for."""
        if self._script.ended is None:
            raise CannotProvoke(f"drill {scenario}, {variant.name}: it was stopped before its script was over")
        _check_end(self._script.ended, variant, scenario)


def _check_end(ended: Ended, variant: Variant, scenario: str) -> None:
    if ended.code == 0:
        return
    said = (ended.output.strip().splitlines() or [ended.why or "it said nothing"])[-1]
    if ended.code == _NOT_INSTALLED:
        raise CannotProvoke(f"drill {scenario}, {variant.name}: {said}")
    how = ended.why if ended.code is None else f"exit code {ended.code}"
    raise CannotProvoke(f"drill {scenario}, {variant.name}: {variant.script.name} failed ({how}): {said}")


def _check_seconds(seconds: int) -> None:
    if not 1 <= seconds <= SECONDS_MAX:
        raise BadUsage(f"a drill lasts 1 to {SECONDS_MAX} seconds, not {seconds}")


def _limits(seconds: int) -> Limits:
    return Limits(seconds=QUIET_S + seconds + AFTER_S + _SETUP_S)


def _judge(recording: Recording, scenario: str, report: str | Path | None) -> tuple[Verdict, Path | None]:
    """The verdict, and the postmortem where one is asked for (it judges, too)."""
    if report is None:
        from ..replay import replay

        return replay(recording, [scenario]).verdicts[0], None
    from ..report import report as write

    made = write(recording, report, scenarios=[scenario])
    return made.verdicts[0], made.path
