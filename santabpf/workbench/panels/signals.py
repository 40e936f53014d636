"""The signals that alarms look at, second by second, in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...charts import signals as chart
from ...display import Figure
from ...postmortem.pictures import MOST_SIGNALS, about_signals
from ..part import Part, sentence

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "verdicts", 1
TITLE = "Signals"
ABOUT = "What the alarms looked at; dashed is where one is raised, shaded is when one was on."


def parts(investigation: Investigation) -> list[Part]:
    """One chart with a panel a signal."""
    result, (start, end) = investigation.result, investigation.window
    inside = result.signals[(result.signals["second"] + 1_000_000_000 > start) & (result.signals["second"] < end)]
    told = about_signals({verdict.scenario for verdict in result.verdicts})
    info = chart.info(inside, result.alarms, **told)
    if not info.panels:
        return [sentence("There are no signals in this window.")]
    drawing = chart.figure(chart.foremost(info, MOST_SIGNALS), uirevision=f"{start} {end}")  # until then a zoom lasts
    return [Part(Figure(drawing, "signals in the window"))]
