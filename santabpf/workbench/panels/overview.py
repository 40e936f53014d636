"""The recording at a glance: alarms, their signals, how much happened, and what is not known. Always all of it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from ...charts import overview as chart
from ...charts import signals as signal_chart
from ...display import Figure
from ...postmortem.pictures import about_signals
from ...replay.result import ALARM_COLUMNS
from ..part import Part, sentence, step_ns
from ..view import View, Window

if TYPE_CHECKING:
    from ...replay import Result
    from ..investigation import Investigation

GROUP, PLACE = "overview", 0
TITLE = "Overview"
ABOUT = "Drag over a stretch of time: everything below follows. Click an alarm to look at the time it was on."
MOST_COLUMNS, MOST_SIGNALS, MOST_ALARMS = 400, 2, 8


def parts(investigation: Investigation) -> list[Part]:
    """One chart of the whole recording, in which the window is marked, and that of each finding.

    Below it, why it could not be judged, where that is so.
    """
    start, end = investigation.everything
    if end <= start:
        return [sentence("Nothing was recorded: this recording covers no time.")]
    step = step_ns(end - start, MOST_COLUMNS)
    first = start // step * step
    failed = investigation.not_judged
    name = "overview, judged" if investigation.judged is not None else f"overview. {failed}"
    drawn, picks = investigation.once(name, lambda: _whole(investigation, first, step))
    shown = copy(drawn)
    layout = drawn.spec["layout"]
    window = investigation.window
    veils = chart.veils((first, end), (first if window.start_ns == start else window.start_ns, window.end_ns))
    against = [] if investigation.against is None else [chart.band(investigation.against)]
    flags = [chart.flag(number, finding.view.window, finding.note)
             for number, finding in enumerate(investigation.findings, 1)]
    shown.spec = {**drawn.spec, "layout": {
        **layout, "shapes": [*layout.get("shapes", []), *against, *veils],
        "annotations": [*layout.get("annotations", []), *flags]}}
    return [Part(shown, picks), *([sentence(failed)] if failed else [])]


def _whole(investigation: Investigation, first: int, step: int) -> tuple[Figure, list[Window]]:
    """The chart in columns of `step` from `first` on, and the time that each alarm was on; the same for all windows."""
    whole, lens = View(investigation.everything), investigation.lens
    end = whole.window.end_ns
    at = f"(second - {first}) // {step}"
    events = lens.ask(whole, f'SELECT {at} AS at, "table", sum(rows)::bigint AS rows FROM [coverage] GROUP BY ALL')
    lost = lens.ask(whole, f"""SELECT {at} AS at, sum(coalesce(reserve_failed, 0) + coalesce(map_full, 0)
        + coalesce(prog_missed, 0) + coalesce(buffer_dropped, 0))::bigint AS lost FROM [loss] GROUP BY ALL""")
    gaps = lens.ask(whole, 'SELECT ts_ns, end_ns, "table", reason FROM [gaps] ORDER BY ts_ns LIMIT 200')
    result = investigation.judged
    alarms = None if result is None else _alarms(result)
    info = chart.info(events, lost, gaps, (first, end), step,
                      alarms=None if alarms is None else alarms[:MOST_ALARMS],
                      signals=() if result is None else _signals(result), failed=bool(investigation.not_judged))
    picks = [Window(alarm.spans[0].from_ns, alarm.spans[-1].to_ns or end) for alarm in info.alarms or ()]
    return Figure(chart.figure(info), "overview of the recording"), picks


def _alarms(result: Result) -> list[chart.Alarm]:
    """By alarm, node and label; the worst first, then in the order in which they began."""
    spans: dict[tuple[str, ...], list[signal_chart.Span]] = {}
    for values in result.alarm_rows:
        row = dict(zip(ALARM_COLUMNS, values, strict=True))
        key = (row["title"], row["node"], row["label"])
        spans.setdefault(key, []).append(signal_chart.Span(row["from_ns"], row["to_ns"], row["state"]))
    several = len({node for _, node, _ in spans}) > 1
    made = [
        chart.Alarm(" · ".join(part for part in (name, node if several else "", label) if part),
                    tuple(sorted(on, key=lambda span: span.from_ns)))
        for (name, node, label), on in spans.items()
    ]
    return sorted(made, key=lambda a: (all(s.state != "crit" for s in a.spans), a.spans[0].from_ns, a.name))


def _signals(result: Result) -> list[signal_chart.Panel]:
    """Those that an alarm was raised on; where none was, those that came nearest to it."""
    told = about_signals({verdict.scenario for verdict in result.verdicts})
    found = signal_chart.foremost(signal_chart.info(result.signals, result.alarms, **told), MOST_SIGNALS).panels
    raised = [panel for panel in found if panel.spans]
    return raised or [panel for panel in found if panel.nearness]
