"""A drill: provoke a scenario in a cell, record the cell, judge the recording, and compare with what must come out.

In: the name of a scenario. Out: a DrillResult. Never: provokes anything outside of a cell, or on another node without
having said what it will do there and been allowed to.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadUsage, CannotProvoke
from ..scenarios import get_scenario
from ..transport import open_transport
from ..units import SECOND, format_bytes
from .contain import Ended, Limits, Script, contain
from .folder import passing_folder
from .variants import Variant, get_variant

if TYPE_CHECKING:
    from ..recording import Recording, Writer
    from ..verdict import State, Verdict

QUIET_S = 3  # watched before the fault, so that its onset can be seen
AFTER_S = 2  # and after it
SECONDS_MAX = 600
_SETUP_S = 120  # for the script's own preparations, the recorder's start and what is in flight at the end
_SETUP_THERE_S = 300  # the same on another node, which may be slow
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
    states: dict[str, State] = field(default_factory=dict)  # of all scenarios that judged it
    delay_ns: int | None = None  # from the moment at which it was provoked to the alarm; None where there was none
    is_early: bool = False  # its alarm came before it was provoked, and for nothing
    core_percent: float | None = None  # what recording it took of one core: the elf and its programs

    @property
    def ok(self) -> bool:
        """The verdict is the one that must come out."""
        return self.verdict.state == self.expected and not self.is_early

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
            "delay_ns": self.delay_ns,
            "is_early": self.is_early,
        }

    def to_text(self) -> str:
        """The verdict, and whether it is right."""
        early = "WRONG: its alarm came before it was provoked"
        outcome = "as it must be" if self.ok else early if self.is_early else f"WRONG: it must be {self.expected}"
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
    judged: Sequence[str] = (),
    probes: Sequence[str] = (),
    progress: bool = False,
    ask: Callable[[str], bool] | None = None,
    **ssh: Any,
) -> DrillResult:
    """Provoke a scenario for real, record it, and see whether the verdict is right.

    variant   one of its faults, or a look-alike that must stay quiet; the first fault by default
    seconds   how long it is provoked; some quiet seconds come before and after
    node      where: "local", or what `ssh` would take
    keep      keep the recording, anonymised, in this new folder
    report    write its postmortem to this file
    judged    other scenarios: what they need is recorded too, and the result tells what they say
    probes    recorded too, as for record()
    ask       for another node than local: is told what will be done there, and says whether it may be
    ssh       accept_new, config, ...: see transport.ssh.SSH

    Raises: BadUsage, CannotContain, CannotProvoke (also when it may not), KeyboardInterrupt when it is stopped by hand,
    and as record() does.
    """
    chosen = get_scenario(scenario)
    planned = get_variant(chosen.folder, variant)
    _check_seconds(seconds)
    if keep is not None and Path(keep).exists():
        raise BadUsage(f"{keep} exists already; a recording needs a new folder")
    is_here = node == "local"
    limits = _limits(planned, seconds, _SETUP_S if is_here else _SETUP_THERE_S)
    if not is_here and (ask is None or not ask(announce(node, chosen.name, planned, seconds, limits))):
        raise CannotProvoke(f"drill {chosen.name}, {planned.name}: not allowed on {node}, so nothing was done there")
    from ..record import record
    from ..recording.share import share

    with passing_folder() as folder:
        path = folder / f"{chosen.name}-{planned.name}"
        with (
            nullcontext() if is_here else open_transport(node, **ssh) as transport,
            contain(chosen.name, limits, transport) as cell,
        ):
            conductor = _Conductor(cell.start(planned.script, [*planned.args, str(seconds)]), chosen.name, planned)
            with closing(conductor):
                made = record(
                    {"node-1": node},
                    list(dict.fromkeys([scenario, *judged])),
                    probes,
                    duration=limits.seconds,
                    out=path,
                    scope={"cgroup": cell.cgroup},
                    progress=progress,
                    stop=conductor.stop,
                    on_second=conductor.look,
                    **ssh,
                )
            conductor.check(made, planned, chosen.name)
        if keep is not None:
            made = share(made, keep)
        result = judge(made, judged, report)
    return result if keep is not None else replace(result, recording=None)


def judge(recording: Recording, judged: Sequence[str] = (), report: str | Path | None = None) -> DrillResult:
    """What a drill that was recorded and kept came to, judged by its own scenario and others.

    Raises BadUsage for a recording of no drill, and as replay() does.
    """
    told = recording.info.get("drill")
    if told is None:
        raise BadUsage(f"{recording.path} is no recording of a drill")
    verdicts, written = _judge(recording, dict.fromkeys([told["scenario"], *judged]), report)
    own = next(v for v in verdicts if v.scenario == told["scenario"])
    delay = _delay(recording, own, told)
    is_early = delay is not None and delay < 0
    return DrillResult(
        told["scenario"], told["variant"], own, told["expected"], recording, written,
        {v.scenario: v.state for v in verdicts}, None if is_early else delay, is_early, _core_percent(recording),
    )  # fmt: skip


def _delay(recording: Recording, verdict: Verdict, told: dict[str, Any]) -> int | None:
    """From what was provoked to the first alarm of its scenario; what decides may be a worse one that came later.

    Below 0 where one came before; None where there was none, or it is not known when it was provoked.
    """
    if verdict.state != "fired" or told["onset_ns"] is None:
        return None
    from ..replay import replay

    raised = [int(row.from_ns) for row in replay(recording, [told["scenario"]]).alarms.itertuples()]
    return min(raised) - int(told["onset_ns"])


_COST = """
    select sum(coalesce(run_ns, 0) + coalesce(user_ns, 0) + coalesce(system_ns, 0))::bigint as cpu_ns,
        (max(ts_ns) - min(ts_ns))::bigint as span_ns
    from receipt where part = 'elf' or part like 'program:%'
"""


def _core_percent(recording: Recording) -> float | None:
    row = recording.sql(_COST).to_dict("records")[0]
    return round(100 * row["cpu_ns"] / row["span_ns"], 2) if row["cpu_ns"] and row["span_ns"] else None


def announce(node: str, scenario: str, variant: Variant, seconds: int, limits: Limits) -> str:
    """What a drill will do on a node, for who has to allow it."""
    cpus = "one CPU" if limits.cpus == 1 else f"{limits.cpus} CPUs"
    network = "no network but its own loopback" if limits.network == "own" else "the network of the node"
    return (
        f"On {node}, as root: {scenario}, {variant.name} is provoked for {seconds} s by {variant.script.name}, and "
        f"recorded with BPF.\nIt runs in a cell of its own: namespaces, a read-only view of the disk with "
        f"{format_bytes(limits.disk_bytes)} of tmpfs, {cpus},\n{format_bytes(limits.memory_bytes)} of memory and "
        f"{limits.processes} processes at most, {network}. It is ended after {limits.seconds:g} s at the latest,\n"
        f"and within seconds when the connection is lost. {_precedence(limits)}Nothing of it is left there."
    )


def _precedence(limits: Limits) -> str:
    """That a cell with a share of a CPU goes before all others (groups.py), and how large the share is."""
    if not limits.cpu_percent:
        return ""
    is_part = limits.cpu_percent < 100 * limits.cpus
    share = f"up to {limits.cpu_percent} % of one CPU's time" if is_part else "as much of that as it wants"
    return f"Of CPU time it comes first, {share}:\nwhat else is to run there, services too, waits meanwhile. "


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
    with contain(chosen.name, _limits(planned, seconds)) as cell:
        script = cell.start(planned.script, [*planned.args, str(seconds)])
        say(f"{chosen.name}, {planned.name}: for {seconds} s, in the control group {cell.cgroup}")
        script.go()
        ended = script.wait()
        _check_end(ended, planned, chosen.name)
        return Provoked(chosen.name, planned.name, cell.cgroup, ended)


class _Conductor:
    """Gives the script its word after some watched, quiet seconds, and stops the recorder some after its end.

    The word comes anywhere in a second, as troubles do: how soon an alarm is there depends on it.
    """

    def __init__(self, script: Script, scenario: str, variant: Variant) -> None:
        self.stop = threading.Event()
        self._script = script
        self._drill: dict[str, Any] = {
            "scenario": scenario, "variant": variant.name, "expected": variant.expected, "also": list(variant.also),
            "onset_ns": None,
        }  # fmt: skip
        self._began_ns = 0
        self._over_ns = 0
        self._word = threading.Timer(random.random(), self._give_word)
        self._word.daemon = True
        self._is_told = False

    def look(self, writer: Writer, closed_ns: int) -> None:
        """All seconds before closed_ns are recorded."""
        self._began_ns = self._began_ns or closed_ns
        if not self._over_ns and self._script.over.is_set():
            self._over_ns = closed_ns
        if self._over_ns and closed_ns >= self._over_ns + AFTER_S * SECOND:
            self.stop.set()
        elif closed_ns >= self._began_ns + (QUIET_S - 1) * SECOND and self._word.ident is None:
            self._word.start()
        if self._drill["onset_ns"] is not None and not self._is_told:
            self._is_told = True
            writer.update(drill=self._drill)

    def _give_word(self) -> None:
        self._script.go()
        self._drill["onset_ns"] = time.time_ns()

    def close(self) -> None:
        """No word is given any more."""
        self._word.cancel()

    def check(self, made: Recording, variant: Variant, scenario: str) -> None:
        """Raises CannotProvoke where the script did not do what it is for, KeyboardInterrupt where it was stopped."""
        if self._script.ended is None:
            from ..record import BY_HAND

            if BY_HAND in made.info["notes"]:
                raise KeyboardInterrupt
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


def _limits(variant: Variant, seconds: int, setup_s: int = _SETUP_S) -> Limits:
    return Limits(seconds=QUIET_S + seconds + AFTER_S + setup_s, **dict(variant.cell))  # type: ignore[arg-type]


def _judge(
    recording: Recording, scenarios: Iterable[str], report: str | Path | None
) -> tuple[tuple[Verdict, ...], Path | None]:
    """The verdicts, and the postmortem where one is asked for (it judges, too)."""
    if report is None:
        from ..replay import replay

        return replay(recording, list(scenarios)).verdicts, None
    from ..report import report as write

    made = write(recording, report, scenarios=list(scenarios))
    return made.verdicts, made.path
