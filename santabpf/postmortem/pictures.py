"""The sections in pictures and tables: what the recording's tables hold, drawn by the charts.

In: a recording and a result. Out: display values. Never: a picture's own decisions; those are in charts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..charts import process_tree, runq_heatmap, top
from ..charts import receipt as receipt_chart
from ..charts import signals as signal_chart
from ..display import Figure, Lanes, Note, Words
from ..display.words import Paragraph
from ..scenarios import scenario_to_judge

if TYPE_CHECKING:
    import pyarrow as pa

    from ..recording import Recording
    from ..replay import Result


#: More panels than these are a wall.
MOST_SIGNALS = 8


def _table(rec: Recording, name: str, columns: list[str] | None = None) -> pa.Table | None:
    """The table, or None where the recording has none of that name."""
    return rec[name].arrow(columns) if name in rec else None


def about_signals(names: Iterable[str]) -> dict[str, Any]:
    """What charts.signals has to be told of the signals of these scenarios: units, words, thresholds, alarms.

    What only bounds another signal (at_most) is no part of the story, and left out.
    """
    units: dict[signal_chart.Key, str] = {}
    about: dict[signal_chart.Key, str] = {}
    thresholds: list[signal_chart.Threshold] = []
    watched: dict[signal_chart.Key, str] = {}
    left_out: set[signal_chart.Key] = set()
    for name in sorted(names):
        scenario = scenario_to_judge(name)
        for signal in scenario.signals:
            units[name, signal.name], about[name, signal.name] = signal.unit, signal.description
        for alarm in scenario.alarms:
            watched[name, alarm.name] = alarm.signal
            thresholds += [
                signal_chart.Threshold(name, alarm.signal, state, limit.value, limit.op, alarm.lookup, alarm.over_s)
                for state, limit in (("warn", alarm.warn), ("crit", alarm.crit)) if limit is not None]
        bounds = {signal.at_most for signal in scenario.signals if signal.at_most}
        left_out |= {(name, bound) for bound in bounds - {alarm.signal for alarm in scenario.alarms}}
    return {"units": units, "about": about, "thresholds": thresholds, "alarm_signals": watched, "left_out": left_out}


def signals(result: Result) -> Figure:
    """The signals that matter most, second by second, with their thresholds; shaded where an alarm was on."""
    told = about_signals({verdict.scenario for verdict in result.verdicts})
    info = signal_chart.foremost(signal_chart.info(result.signals, result.alarms, **told), MOST_SIGNALS)
    return Figure(signal_chart.figure(info), f"signals over time, {len(info.panels)} panels")


def _spans(result: Result) -> list[signal_chart.Span]:
    """When an alarm of a scenario that fired was on."""
    return [signal_chart.Span(seen.raised_ns, seen.to_ns, seen.state)
            for verdict in result.ranked if (seen := verdict.detected) and seen.raised_ns is not None]


def processes(rec: Recording, result: Result) -> Lanes | Words:
    """Each process a box from its start to its end, below the one that started it; the alarm's span is shaded."""
    if not any(name in rec for name in ("fork", "exec", "exit")):
        return Words(Note("Neither `fork`, `exec` nor `exit` was recorded, so there is no process tree to draw."))
    who = ["ts_ns", "node", "tgid", "start_ns", "ptgid", "comm"]
    info = process_tree.info(
        _table(rec, "fork", [*who, "pstart_ns"]), _table(rec, "exec", [*who, "pstart_ns", "argv"]),
        _table(rec, "exit", [*who, "pstart_ns", "lifetime_ns", "cpu_ns", "code", "signal"]),
        _table(rec, "processes", [*who, "argv"]), window=rec.window, spans=_spans(result),
    )
    return process_tree.lanes(info)


def commands(rec: Recording) -> Words:
    """Which programs ran, how often, how much CPU they took, and who started them."""
    starts = _table(rec, "exec", ["ts_ns", "comm", "pcomm", "argv"])
    ends = _table(rec, "exit", ["ts_ns", "comm", "pcomm", "lifetime_ns", "cpu_ns", "code", "signal"])
    return Words(top.table(top.info(starts, ends)))


def run_queue(rec: Recording) -> Figure | Words:
    """How long threads waited for a CPU: time to the right, length of the wait upwards, darker is more."""
    hist = _table(rec, "runq_hist")
    if hist is None:
        return Words(Note("`runq_hist` was not recorded, so nothing is known of waits for a CPU."))
    return Figure(runq_heatmap.figure(runq_heatmap.info(hist, rec.window)), "waits for a CPU, by second and length")


def receipt(rec: Recording, result: Result) -> Words:
    """What recording cost the node, what was lost, and by which digest each verdict can be checked."""
    tables: dict[str, Any] = {name: _table(rec, name) for name in ("receipt", "loss", "coverage", "gaps", "clock")}
    blocks = receipt_chart.blocks(receipt_chart.info(**tables))
    blocks += [
        Paragraph(f"Verdict on {v.scenario} of {v.node}: digest {v.digest}. {v.judged_by}".rstrip())
        for v in result.ranked
    ]
    return Words(*blocks)
