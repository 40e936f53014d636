"""All drills, all look-alikes: who fired on what, how soon, and what was wrong. `santabpf gym` writes docs/accuracy.md.

In: scenarios that can be provoked here, and what earlier runs came to. Out: an Accuracy. Never: leaves out a drill that
gave no verdict, or a miss.

Each drill is recorded with all that any scenario needs, and judged by all of them: a fault must be found by its own,
and by no other but those that its script names under `# also:`; a look-alike or healthy load by none.
"""

from __future__ import annotations

import datetime
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..errors import BadUsage, SantaError
from ..scenarios import all_scenarios, get_scenario
from ..units import SECOND, format_duration
from .rules import rules, scripts
from .run import drill, judge
from .variants import Variant, variants

Say = Callable[[str], None]
State = Literal["fired", "quiet", "cannot_tell"]
_SIGNS = {"fired": "F", "quiet": "·", "cannot_tell": "?"}
DELAY_GOAL_NS = 3 * SECOND
_EARLY = ", before it was provoked"

_HEAD = """\
# How often the verdicts are right

Written by `make gym` (`santabpf gym`). Each drill provokes its trouble for real, {judged}.
Of each drill, healthy loads too, the control group of its own cell is recorded, and not what else ran on the node;
tables of the node as a whole, such as `metrics`, hold that too. A miss stands here as a miss.
"""
_JUDGED = {
    False: "is recorded with all that any scenario\nneeds, and is judged by every scenario",
    True: "is recorded with what its own scenario\nneeds, and is judged by that",
}
_EACH = """\
## Each scenario

Recall: of the drills that provoke it, how many it fired on. False: drills, look-alikes and healthy loads on which it
fired and should not have, or fired before it was provoked. Precision: of all its alarms that were right or wrong, how
many were right; those on drills that name it under `also` are neither. Delay: from the onset of the fault, anywhere in
a second, to the end of the second that raised the first alarm of its scenario; one that counts what comes one by one,
such as the seventh wrong password of ssh_brute_force, is as quick as that comes. Cost: what the elf and all its BPF
programs took of one core while the drills that provoke it were recorded; the median.

| scenario | drills | found | recall | false | precision | cannot tell | delay, median | longest | cost |
|---|---|---|---|---|---|---|---|---|---|
""".rstrip().splitlines()
_MATRIX = """\
## Drill by scenario

F fired as it must, · quiet, ? cannot tell; **F** fired and should not have, **–** should have fired and did not. Where
the drill names a scenario under `also`: (F) it fired, (·) it stayed quiet. Several runs of one drill stand one after
the other.
""".splitlines()


class Run(NamedTuple):
    """One drill, once; states is empty where it gave none. Why says why, and why its own scenario could not tell."""

    scenario: str
    variant: str
    expected: State
    also: tuple[str, ...]
    states: dict[str, State]
    delay_ns: int | None  # from the onset to the alarm of its own scenario
    core_percent: float | None  # of one core: the elf and all BPF programs while it was recorded
    why: str = ""
    machine: str = ""  # that it was run on
    date: str = ""
    rules: dict[str, str] | None = None  # digests of what decided, by scenario: see rules.py; None: not known
    script: str = ""  # digest of how it was provoked
    is_early: bool = False  # its own scenario fired before there was anything to find

    def is_found(self) -> bool:
        """Did its own scenario fire because of it?"""
        return self.states.get(self.scenario) == "fired" and not self.is_early

    def is_false(self, scenario: str) -> bool:
        """Did a scenario fire that has no business here, or before it had any?"""
        expected = scenario == self.scenario and self.expected == "fired" and not self.is_early
        return self.states.get(scenario) == "fired" and not expected and scenario not in self.also


@dataclass
class Accuracy:
    """All runs, and what they come to."""

    scenarios: tuple[str, ...]
    runs: list[Run] = field(default_factory=list)
    alone: bool = False  # each drill was recorded and judged by its own scenario only
    again: int = 0  # of the runs, those that had been recorded before, and were judged again
    older: int = 0  # more runs, which do not count: their scenario, or how it is provoked, has changed since

    def faults(self, scenario: str) -> list[Run]:
        """Runs in which it must fire."""
        return [r for r in self.runs if r.scenario == scenario and r.expected == "fired"]

    def found(self, scenario: str) -> int:
        """In how many of these it did."""
        return sum(r.is_found() for r in self.faults(scenario))

    def false(self, scenario: str) -> list[Run]:
        """Runs in which it fired for nothing."""
        return [r for r in self.runs if r.is_false(scenario)]

    def late(self, scenario: str) -> list[Run]:
        """Runs in which it fired as it must, but later than is the goal."""
        return [r for r in self.faults(scenario) if r.delay_ns is not None and r.delay_ns > DELAY_GOAL_NS]

    def unclear(self, scenario: str) -> list[Run]:
        """Its own look-alikes and healthy loads of which it could not tell."""
        return [r for r in self.runs
                if (r.scenario, r.expected, r.states.get(scenario)) == (scenario, "quiet", "cannot_tell")]

    @property
    def ok(self) -> bool:
        """Every fault found, nothing else fired, every drill gave a verdict that tells."""
        return all(r.states for r in self.runs) and all(
            self.found(name) == len(self.faults(name)) and not self.false(name) and not self.unclear(name)
            for name in self.scenarios
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.ok, "runs": [r._asdict() for r in self.runs]}

    def to_text(self) -> str:
        """For a terminal: one line that counts what was wrong, and what was late."""
        faults = [r for name in self.scenarios for r in self.faults(name)]
        late = [r for name in self.scenarios for r in self.late(name)]
        which = ", ".join(f"{r.scenario} {r.variant} ({format_duration(r.delay_ns or 0)})" for r in late)
        counts = {
            "drills": len(self.runs),
            "without a verdict": sum(not r.states for r in self.runs),
            "faults missed": f"{len(faults) - sum(map(self.found, self.scenarios))} of {len(faults)}",
            "false alarms": sum(len(self.false(name)) for name in self.scenarios),
            f"later than {format_duration(DELAY_GOAL_NS)}": f"{len(late)}, {which}" if late else 0,
        }
        return "; ".join(f"{what}: {count}" for what, count in counts.items())

    def to_markdown(self) -> str:
        """docs/accuracy.md."""
        lines = [
            *_HEAD.format(judged=_JUDGED[self.alone]).splitlines(),
            "",
            *(f"- {n} on {date}: {machine}" for (date, machine), n in sorted(self._days().items())),
            f"- drills: {len(self.runs)}, of which {sum(not r.states for r in self.runs)} gave no verdict",
            *[f"- left out, as the drill or its scenario has changed since: {n}" for n in [self.older] if n],
            *[f"- recorded before, and judged again by the scenarios as they are now: {n}" for n in [self.again] if n],
            "",
            *_EACH,
            *(self._row(name) for name in self.scenarios),
            "",
            *self._wrong(),
            *_MATRIX,
            "",
            "| drill | " + " | ".join(self.scenarios) + " |",
            "|---|" + "---|" * len(self.scenarios),
            *self._matrix(),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def _days(self) -> Counter[tuple[str, str]]:
        return Counter((r.date, r.machine) for r in self.runs)

    def _row(self, name: str) -> str:
        faults, found, false = self.faults(name), self.found(name), self.false(name)
        delays = [r.delay_ns for r in faults if r.delay_ns is not None]
        unknown = sum(r.states.get(name) == "cannot_tell" for r in self.runs)
        median, most = (statistics.median(delays), max(delays)) if delays else (None, None)
        costs = [r.core_percent for r in faults if r.core_percent is not None]
        cells = [
            name, str(len(faults)), str(found), _percent(found, len(faults)), str(len(false)),
            _percent(found, found + len(false)), str(unknown), "" if median is None else format_duration(median),
            "" if most is None else f"**{format_duration(most)}**" if self.late(name) else format_duration(most),
            f"{statistics.median(costs):.1f} %" if costs else "",
        ]  # fmt: skip
        return "| " + " | ".join(cells) + " |"

    def _wrong(self) -> list[str]:
        lines = [f"- {r.scenario}, {r.variant}: no verdict: {r.why}" for r in self.runs if not r.states]
        for name in self.scenarios:
            lines += [f"- {name} fired on {r.scenario}, {r.variant}{_EARLY * r.is_early}" for r in self.false(name)]
            missed = [r for r in self.faults(name) if r.states and r.states.get(name) != "fired"]
            lines += [f"- {name} did not fire on its own {r.variant}: {r.states.get(name)}" for r in missed]
            lines += [f"- {name} could not tell of its own {r.variant}: {r.why}" for r in self.unclear(name)]
        return ["## What was wrong", "", *(lines or ["Nothing."]), ""]

    def _matrix(self) -> Iterable[str]:
        drills: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            drills.setdefault((run.scenario, run.variant), []).append(run)
        for (scenario, variant), runs in drills.items():
            cells = ["".join(_cell(run, name) for run in runs) for name in self.scenarios]
            yield f"| {scenario}, {variant} ({runs[0].expected}) | " + " | ".join(cells) + " |"


def gym(
    scenarios: Sequence[str] = (),
    *,
    times: int = 1,
    seconds: int = 10,
    node: str = "local",
    alone: bool = False,
    keep: Path | None = None,
    runs: Path | None = None,
    say: Say = lambda line: None,
    **options: Any,
) -> Accuracy:
    """Run every variant of these scenarios (all that can be provoked by default), until each has so many runs.

    alone    record and judge each drill by its own scenario only: for a node on which compiling all probes takes long
    keep     a folder for the recordings; those that are there already are judged again, not made again, so that
             scenarios that were changed are judged by what was recorded before
    runs     a file of JSON lines to which each run is added as it ends; those that it holds count, so that a gym that
             was stopped goes on, and grows over days; but not those whose drill or scenario has changed since, and of
             the others no verdict of a scenario that has
    options  for another node than local: `ask`, and what transport.ssh.SSH takes; see drill()

    A drill that fails is told and counted, never left out. Raises BadUsage for an unknown scenario, and for a file that
    holds anything but runs.
    """
    chosen = [get_scenario(name) for name in scenarios] if scenarios else list(all_scenarios().values())
    judged = tuple(all_scenarios())
    known = _runs_in(runs)
    today = [run for run in known if _counts(run)]
    out = Accuracy(judged, [_as_of_today(run) for run in today], alone=alone, older=len(known) - len(today))
    planned = [
        (scenario.name, variant)
        for scenario in chosen if (scenario.folder / "reproduce.sh").is_file()
        for variant in variants(scenario.folder).values()
    ]  # fmt: skip
    before = Counter((run.scenario, run.variant) for run in out.runs)
    for turn in range(times):
        for at, (name, variant) in enumerate(planned, 1):
            if turn < before[name, variant.name]:
                continue
            path = None if keep is None else keep / f"{name}-{variant.name}-{turn + 1}"
            out.again += path is not None and path.exists()
            run = _run(name, variant, () if alone else judged, path, node, seconds, options)
            out.runs.append(run)
            if runs is not None:
                with runs.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run._asdict()) + "\n")
            say(f"run {turn + 1} of {times}, drill {at} of {len(planned)}: {name}, {variant.name}: "
                f"{_outcome(run, judged)}")  # fmt: skip
    return out


def _run(
    name: str, variant: Variant, judged: Sequence[str], path: Path | None, node: str, seconds: int,
    options: dict[str, Any],
) -> Run:  # fmt: skip
    from ..machine import describe
    from ..recording import open as open_recording

    machine = describe() if node == "local" else f"the node {node}"
    empty = Run(name, variant.name, variant.expected, variant.also, {}, None, None, "", machine,
                f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}",
                {one: rules()[one] for one in dict.fromkeys([name, *judged])}, scripts()[name])  # fmt: skip
    try:
        if path is not None and path.exists():
            result = judge(open_recording(path), judged)
        else:
            result = drill(name, variant.name, seconds=seconds, node=node, judged=judged, keep=path, **options)
    except SantaError as exc:
        return empty._replace(why=str(exc))
    if node != "local" and result.recording is not None:
        (facts,) = result.recording.info["nodes"].values()
        machine = f"{machine}, {facts['cpus']} CPUs, Linux {facts['kernel']}"
    return empty._replace(
        states=result.states, delay_ns=result.delay_ns, core_percent=result.core_percent, machine=machine,
        is_early=result.is_early,
        why=" ".join(s.text for s in result.verdict.summary) if result.verdict.state == "cannot_tell" else "",
    )  # fmt: skip


def _counts(run: Run) -> bool:
    """Is its drill, and its own scenario, as they are now?"""
    now = rules().get(run.scenario), scripts().get(run.scenario)
    return run.rules is not None and (run.rules.get(run.scenario), run.script) == now


def _as_of_today(run: Run) -> Run:
    """Without the verdicts of other scenarios that have changed since."""
    then, now = run.rules or {}, rules()
    return run._replace(states={name: state for name, state in run.states.items() if then.get(name) == now.get(name)})


def _runs_in(path: Path | None) -> list[Run]:
    if path is None or not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Run(**{**told, "also": tuple(told["also"]), "rules": dict(told.get("rules") or {})})
                for told in map(json.loads, lines)]  # fmt: skip
    except (ValueError, TypeError, KeyError) as exc:
        raise BadUsage(f"{path} holds something else than runs of a gym: {exc}") from exc


def _outcome(run: Run, judged: Iterable[str]) -> str:
    if not run.states:
        return f"NO VERDICT: {run.why}"
    state = run.states.get(run.scenario)
    words = f"{state}" if state == run.expected else f"WRONG: {state}, not {run.expected}"
    words += f" ({run.why})" if run.why else ""
    words = f"WRONG: {state}{_EARLY}" if run.is_early else words
    words += f" after {format_duration(run.delay_ns)}" if run.delay_ns is not None else ""
    false = [name for name in judged if run.is_false(name) and name != run.scenario]
    return words + (f"; WRONG: {', '.join(false)} fired too" if false else "")


def _cell(run: Run, scenario: str) -> str:
    state = run.states.get(scenario)
    if state is None:
        return " "
    own = scenario == run.scenario and run.expected == "fired"
    if own and state != "fired":
        return "**–**"
    if run.is_false(scenario):
        return "**F**"
    is_named = scenario in run.also and not own
    return f"({_SIGNS[state]})" if is_named and state != "cannot_tell" else _SIGNS[state]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
