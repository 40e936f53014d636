"""What each probe costs under a load that hits it hard: runs in pairs, with and without it, in alternating order.

In: names of probes. Out: a Cost for each (see probes/cost.py), and figures for the default set. Each pair gives one
ratio; shown is the median of all pairs with its 95 % interval, by rank (no assumption about how they are spread).
"""

from __future__ import annotations

import datetime
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple, cast

from ..errors import SantaError
from ..machine import describe
from ..probes import all_probes, expand, get_probe
from ..probes.cost import Cost
from ..units import MS, SECOND
from .cost import cpu_of
from .elves import Elf
from .figures import Family, Figure, Goal, Spread
from .workloads import WORKLOADS, Once, Took, Workload

Say = Callable[[str], None]
PAIRS = 20
#: probe -> the load that hits it hardest; all others: redis, the busiest in system calls
HITS = {
    "accept": "connections", "auth": "logins", "block_io": "disk", "dns": "questions", "drops": "connections",
    "event_loop": "redis", "exec": "forks", "exit": "forks", "faults": "faults", "file_io": "cached", "fork": "forks",
    "offcpu": "pipe", "oom": "kills", "opens": "apache", "page_cache": "cached", "processes": "forks", "profile": "gcc",
    "reclaim": "squeezed", "runq": "pipe", "security": "apache", "signals": "signalled", "switches": "pipe",
    "tcp": "connections", "tcp_loss": "refused", "throttle": "pipe",
}  # fmt: skip
_SETTLE_S = 0.3
_IDLE_S = 10.0
PLANNED = [Figure(what, "%", None) for what in ("a saturated redis", "a saturated apache", "an idle node")]


class Paired(NamedTuple):
    """dearer and slower: one ratio less 1 for each pair; the other figures for each run with the elf."""

    dearer: list[float]  # CPU of the load and of the elf for the same work
    slower: list[float]  # time for the same work
    bpf_ns: list[float]
    runs: list[float]
    elf: list[float]  # share of one core


def measure_probe(name: str, pairs: int, say: Say) -> Cost:
    """One probe. Raises SantaError where its load can't be run, or it can't be recorded here."""
    workload = WORKLOADS[HITS.get(name, "redis")]
    paired = _pairs([name], workload, pairs, say)
    low, high = interval(paired.dearer)
    programs = get_probe(name).program is not None and bool(paired.runs)
    return Cost(
        workload.what,
        pairs,
        round(100 * statistics.median(paired.dearer), 2),
        round(100 * low, 2),
        round(100 * high, 2),
        round(100 * statistics.median(paired.slower), 2),
        round(statistics.median(paired.bpf_ns)) if programs else None,
        round(statistics.median(paired.runs)) if programs else None,
        round(100 * statistics.median(paired.elf), 2),
        describe(),
        f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}",
    )


def measure_all(names: Sequence[str], pairs: int, say: Say) -> None:
    """Each of these probes, all when there are none; writes cost.yaml and the README's sentence into its folder."""
    for name in names or sorted(all_probes()):
        try:
            cost = measure_probe(name, pairs, lambda line: None)
        except SantaError as exc:
            say(f"{name}: not measured: {exc}")
            continue
        cost.write(get_probe(name).folder)
        say(f"{name}: {cost.to_text()}")


def measure_set(name: str, pairs: int, say: Say) -> Family:
    """A set of probes: on a saturated redis, a saturated apache, and a node that does nothing."""
    names = expand(name) or []
    family = Family(
        f"Leaving the {name} set on",
        f"All of the set ({', '.join(names)}) in {pairs} alternating pairs with and without it: the median of the "
        "pairs, and its 95 % interval. CPU is that of client, server and elf for the same work; time is how long that "
        "took, and is what a user would see.",
    )
    for workload, goal in ((WORKLOADS["redis"], Goal(5.0)), (WORKLOADS["apache"], Goal(5.0))):
        what = f"a saturated {workload.name}"
        try:
            paired = _pairs([name], workload, pairs, say)
        except SantaError as exc:
            family.figures.append(Figure(f"{what}: more CPU", "%", None, goal, str(exc)))
            continue
        words = f"{workload.what}; the elf took {100 * statistics.median(paired.elf):.1f} % of a core"
        family.figures.append(Figure(f"{what}: more CPU", "%", _spread(paired.dearer), goal, words))
        family.figures.append(Figure(f"{what}: more time", "%", _spread(paired.slower), goal))
    say(f"the {name} set on an idle node")
    family.figures.append(_idle(names))
    return family


def _spread(ratios: list[float]) -> Spread:
    low, high = interval(ratios)
    return Spread(100 * statistics.median(ratios), 100 * low, 100 * high, len(ratios))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a 95 % interval of the median, by rank: the binomial tail below each is at most 2.5 %.

    >>> interval(range(1, 21))
    (6, 15)
    """
    ordered, n = sorted(values), len(values)
    rank, tail = 0, 0.5**n  # tail: the chance that at most `rank` values lie below the true median
    while tail <= 0.025:
        rank += 1
        tail += math.comb(n, rank) * 0.5**n
    first = max(0, rank - 1)
    return ordered[first], ordered[n - 1 - first]


def _specs(names: Sequence[str]) -> list[str]:
    return [probe for name in names for probe in expand(name) or [name]]


def _pairs(names: Sequence[str], workload: Workload, pairs: int, say: Say) -> Paired:
    if workload.why_not:
        raise SantaError(workload.why_not)
    out = Paired([], [], [], [], [])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="santabpf-bench-")))
        once = stack.enter_context(cast("AbstractContextManager[Once]", workload.open(folder)))
        once()  # warm
        for turn in range(pairs):
            say(f"{', '.join(names)}, {workload.name}: pair {turn + 1} of {pairs}")
            if turn % 2:
                on, off = _with_elf(names, once, out), once()
            else:
                off = once()
                on = _with_elf(names, once, out)
            out.dearer.append(on.cpu_s / off.cpu_s - 1)
            out.slower.append(on.wall_s / off.wall_s - 1)
    return out


def _with_elf(names: Sequence[str], once: Once, out: Paired) -> Took:
    """The load's figures, with the elf's CPU in them."""
    with Elf(_specs(names), armed=True) as elf:
        pids = elf.pids
        time.sleep(_SETTLE_S)
        before, begun = cpu_of(pids), time.monotonic_ns()
        took = once()
        wall, own = time.monotonic_ns() - begun, (cpu_of(pids) - before).total_ns
        out.elf.append(own / wall)
        elf.stop()
    runs, spent = elf.programs()
    if runs:
        out.runs.append(runs * SECOND / wall)
        out.bpf_ns.append(spent / runs)
    return took._replace(cpu_s=took.cpu_s + own / SECOND / took.operations)


def _idle(names: Sequence[str]) -> Figure:
    with Elf(_specs(names), armed=True) as elf:
        pids = elf.pids
        time.sleep(1.0)
        before = cpu_of(pids)
        time.sleep(_IDLE_S)
        own = (cpu_of(pids) - before).total_ns
        elf.stop()
    _, spent = elf.programs()
    share = 100 * own / (_IDLE_S * SECOND)
    words = f"the elf; its programs took {spent / MS / (_IDLE_S + 1):.2f} ms a second besides, of what else ran"
    return Figure("an idle node: CPU of one core", "%", Spread(share, share, share, 1), Goal(0.3), words)
