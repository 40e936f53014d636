"""The signals that alarms look at, second by second, in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...charts import signals as chart
from ...display import Figure
from ...postmortem.pictures import about_signals
from ..part import Part, sentence

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "verdicts", 1
TITLE = "Signals"
ABOUT = "What the alarms looked at; dashed is where one is raised, shaded is when one was on."
#: More than these is a wall; those of alarms that were on come first.
MOST_PANELS = 8


def parts(investigation: Investigation) -> list[Part]:
    """One chart with a panel a signal."""
    result, (start, end) = investigation.result, investigation.window
    inside = result.signals[(result.signals["second"] + 1_000_000_000 > start) & (result.signals["second"] < end)]
    told = about_signals({verdict.scenario for verdict in result.verdicts})
    info = chart.info(inside, result.alarms, **told)
    if not info.panels:
        return [sentence("There are no signals in this window.")]
    drawing = chart.figure(info._replace(panels=info.panels[:MOST_PANELS]))
    left_out = len(info.panels) - MOST_PANELS
    parts = [Part(Figure(drawing, "signals in the window"))]
    return parts + ([sentence(f"{left_out} more signals, of alarms that were not on, are not shown.")]
                    if left_out > 0 else [])
