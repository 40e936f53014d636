"""How long things took: a heat map for each table that tells lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...charts import latency_heatmap
from ...charts.look import times
from ...display import Figure
from ...units import MS, SECOND
from ..part import Part, left, not_recorded, sentence, step_ns, unreached

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "latency", 0
TITLE = "Lengths over time"
ABOUT = "Time runs to the right, length upwards, each row twice the one below; darker is more. Drag to look closer."
MOST_COLUMNS = 200


class _Length(NamedTuple):
    """What took how long: its name, the column, and how many a row stands for."""

    table: str
    what: str
    heading: str
    column: str
    per_row: str = "1"


#: Where a histogram has all and a table of events only the long ones, the histogram comes first, and the events stand
#: in for it where a filter is on that it can't follow.
_LENGTHS = (
    (_Length("runq_hist", "waits", "Waits for a CPU", "wait_ns", "waits"),
     _Length("runq", "long waits", "Waits for a CPU, the long ones", "wait_ns")),
    (_Length("throttle", "waits", "Waits for the CPU limit to be renewed", "wait_ns"),),
    (_Length("block_io_hist", "requests", "Disk requests", "device_ns", "requests"),
     _Length("block_io", "slow requests", "Disk requests, the slow ones", "device_ns")),
    (_Length("file_io_slow", "slow calls", "Slow calls on files", "took_ns"),),
    (_Length("event_loop_hist", "ticks", "Busy between two polls", "busy_ns", "ticks"),
     _Length("event_loop_slow", "long ticks", "Busy between two polls, the long ones", "busy_ns")),
    (_Length("accept_hist", "waits", "Waits to be accepted", "wait_ns", "accepts"),
     _Length("accept", "waits", "Waits to be accepted, the long ones", "wait_ns")),
    (_Length("tcp", "connections", "To connect", "connect_ns"),),
    (_Length("dns", "questions", "DNS answers", "waited_ns"),),
    (_Length("offcpu", "waits", "Blocked threads", "blocked_ns"),),
    (_Length("exit", "processes", "Lives of processes that ended", "lifetime_ns"),),
)


def parts(investigation: Investigation) -> list[Part]:
    """One heat map for each kind of length that was recorded and has rows in the window."""
    lens, view = investigation.lens, investigation.view
    made: list[Part] = []
    nothing: list[str] = []
    known = False
    for choices in _LENGTHS:
        present = [length for length in choices if lens.has(length.table)]
        followed = [length for length in present if not lens.unreached(view, length.table)]
        for length in (followed or present)[:1]:
            known = True
            if (part := _part(investigation, length)) is not None:
                made.append(part)
            else:
                nothing.append(length.heading)
    if not known:
        return [sentence(not_recorded("how long things took", "runq", "block_io", "tcp"))]
    return made + ([sentence(left(view, f"not in this window: {'; '.join(nothing)}."))] if nothing else [])


def _part(investigation: Investigation, length: _Length) -> Part | None:
    lens, view = investigation.lens, investigation.view
    spans = "span_ns" in lens.recording[length.table].schema.names
    step = step_ns(view.window.span_ns, MOST_COLUMNS, SECOND if spans else 100 * MS)
    start = view.window.start_ns // step * step
    moment = "(ts_ns - span_ns // 2)" if spans else "ts_ns"
    binned = lens.ask(view, f"""SELECT ({moment} - {start}) // {step} AS at,
        floor(log2(greatest({length.column}, 1)))::int AS power, sum({length.per_row})::bigint AS count
        FROM [{length.table}] WHERE {length.column} IS NOT NULL GROUP BY ALL ORDER BY ALL""")
    info = latency_heatmap.info(binned, (start, view.window.end_ns), step, length.what)
    if not info.ts_ns:
        return None
    note = " ".join(filter(None, [info.note, unreached(lens, view, length.table)]))
    drawing = latency_heatmap.figure(info._replace(note=note), dragmode="select", selectdirection="h")
    drawing.update_xaxes(range=times(view.window))  # the same for all of them, one below the other
    return Part(Figure(drawing, f"{length.heading}, by time and length"), heading=length.heading)
