"""Who was busy: by process where there are few, else by command until one is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...display.words import Col, Words
from ..lens import IDENTITY
from ..part import Part, left, not_recorded, sentence
from ..ranking import MOST_ROWS, Measure, rank
from ..view import Filter, View

if TYPE_CHECKING:
    from ..investigation import Investigation
    from ..lens import Lens

GROUP, PLACE = "who", 0
TITLE = "Processes"
ABOUT = "Who did most in this window, by the shares of all columns. Click a row to see only what has to do with it."
MEASURES = (
    Measure("CPU of those that ended", "exit", "sum(cpu_ns)", "ns",
            "All the CPU time of their lives, of processes that ended in this window."),
    Measure("CPU while running", "process_cpu", "sum(user_ns + system_ns)", "ns",
            "Used in this window, read each second while they lived."),
    Measure("CPU samples", "profile", "count(*)", "count",
            "How often it was found on a CPU, of so many looks a second."),
    Measure("long waits for a CPU", "runq", "sum(wait_ns)", "ns",
            "Ready to run, but no CPU was free: the long waits, added up over its threads."),
    Measure("throttled", "throttle", "sum(wait_ns)", "ns",
            "Stood still because the CPU limit of its cgroup was used up, added up over its threads."),
    Measure("blocked", "offcpu", "sum(blocked_ns)", "ns",
            "Waited for something else than a CPU: disk, network, locks, sleep."),
    Measure("disk I/O", "block_io", "sum(device_ns)", "ns", "Time that disks took for its requests, the slow ones."),
    Measure("slow file calls", "file_io_slow", "sum(took_ns)", "ns",
            "Time in reads, writes and syncs that were slow one by one."),
    Measure("busy event loop", "event_loop_slow", "sum(busy_ns)", "ns",
            "Time in which its event loop was held by one piece of work, and answered nobody else."),
    Measure("started", "exec", "count(*)", "count", "Programs that were started."),
    Measure("ended", "exit", "count(*)", "count"),
    Measure("failed", "exit", "count(*) FILTER (code <> 0 OR signal <> 0)", "count",
            "Ended with an error, or by a signal."),
    Measure("connections", "tcp", "count(*)", "count", "TCP connections that ended, or could not be made."),
    Measure("DNS questions", "dns", "count(*)", "count"),
    Measure("failed calls", "syscalls", "sum(errors) FILTER (NOT is_ordinary)", "count",
            "System calls that failed, without errors that only say: not yet, or again."),
)


def parts(investigation: Investigation) -> list[Part]:
    """One table; a click on a row filters by its process or command."""
    lens, view = investigation.lens, investigation.view
    tables = [t for t in dict.fromkeys(m.table for m in MEASURES) if lens.has(t)]
    if not tables:
        return [sentence(not_recorded("processes", "exec", "exit", "process_cpu"))]
    few = _are_few(lens, view, tables)
    empty = left(view, "no process did anything that was recorded in this window.")
    if few or any(f.kind in ("command", "process") for f in view.filters):
        keys = ("comm", "node", "tgid::bigint", "start_ns")
        heads = {0: Col("process", "code"), 2: Col("pid", "number")}
        made = rank(lens, view, MEASURES, dict.fromkeys(tables, keys), heads, empty)
        return [Part(Words(made.table), [Filter("process", *key) for key in made.keys])]
    made = rank(lens, view, MEASURES, dict.fromkeys(tables, ("comm",)), {0: Col("command", "code")}, empty)
    return [Part(Words(made.table), [Filter("command", key[0]) for key in made.keys])]


def _are_few(lens: Lens, view: View, tables: list[str]) -> bool:
    """Whether no more processes did something than there are rows in the table; the first tables mostly tell."""
    seen: set[tuple[Any, ...]] = set()
    who = ["node", *IDENTITY]
    for table in tables:
        asked = f"SELECT DISTINCT {', '.join(who)} FROM [{table}] WHERE tgid IS NOT NULL LIMIT {MOST_ROWS + 1}"
        found = lens.ask(view, asked)
        seen.update(zip(*(found[name].to_pylist() for name in who), strict=True))
        if len(seen) > MOST_ROWS:
            return False
    return True
