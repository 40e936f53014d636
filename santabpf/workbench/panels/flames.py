"""Which functions took the CPU, and where threads waited; or how that differs from another window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...charts.flame_graph import difference, flame, info
from ...charts.flame_processes import by_process, whose
from ...replay.stacks import sample_length
from ...units import seconds
from ..part import Part, left, not_recorded, sentence
from ..view import Filter, View

if TYPE_CHECKING:
    import pyarrow as pa

    from ..investigation import Investigation

GROUP, PLACE = "time", 0
TITLE = "Flame graphs"
ABOUT = ("A click on a frame zooms in and leaves only what ran through it, here and everywhere else; "
         "a click on a process leaves only that.")
#: Of HTML that goes to the browser for one of them; narrower frames are drawn together.
MOST_BYTES, LEAST = 600_000, 0.0003
_OF = {"profile": ("CPU time", "Where the CPU time went"), "offcpu": ("waiting time", "Where threads waited")}


def parts(investigation: Investigation) -> list[Part]:
    """One flame graph for each table of stacks; a difference where another window is compared with."""
    present = [table for table in _OF if investigation.lens.has(table)]
    if not present:
        return [sentence(not_recorded("which functions took the time", "profile", "offcpu"))]
    return [_part(investigation, table) for table in present]


def _part(investigation: Investigation, table: str) -> Part:
    lens, view, against = investigation.lens, investigation.view, investigation.against
    of, heading = _OF[table]
    sample_ns = sample_length(lens.recording) if table == "profile" else None
    now = lens.folded(view, table)
    if against is None:
        if not now.num_rows:
            return sentence(left(view, f"no stack of {of} was recorded in this window."), heading)
        made = flame(info(by_process(now), sample_ns=sample_ns), of=of, least=LEAST, most_bytes=MOST_BYTES)
        return Part(made, heading=heading, boxes=_boxes(now))
    before = lens.folded(View(against, view.filters), table)
    if not now.num_rows or not before.num_rows:
        which = "this window" if not now.num_rows else "the window that it is compared with"
        said = f"no stack of {of} was recorded in {which}, so there is nothing to compare."
        return sentence(left(view, said), heading)
    lead = f"Before: {against}. After: {view.window}."
    lasted = seconds(against.span_ns), seconds(view.window.span_ns)
    made = flame(difference(by_process(before), by_process(now), sample_ns=sample_ns, seconds=lasted), of=of, lead=lead,
                 least=LEAST, most_bytes=MOST_BYTES)
    return Part(made, heading=f"{heading}: the difference", boxes=_boxes(before) | _boxes(now))


def _boxes(stacks: pa.Table) -> dict[tuple[str, ...], Filter]:
    """What a click on the box of a process means: that process, or the command where the box is of several."""
    out = {}
    for names, ((node, command, tgid, start_ns), *others) in whose(stacks).items():
        out[names] = Filter("command", command) if others else Filter("process", command, node, tgid, start_ns)
    return out
