"""Signals over time: lines, units, thresholds and alarms' spans."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from synthetic import HOSTILE, START, S, tables

from santabpf.charts import signals
from santabpf.charts.signals import Span, Threshold

JOBS = "short_lived_jobs"
UNITS = {(JOBS, "hidden_cpu"): "ratio", (JOBS, "starts"): "count"}
LIMITS = [Threshold(JOBS, "hidden_cpu", "warn", 0.2), Threshold(JOBS, "hidden_cpu", "crit", 0.4)]


def read(hostile: bool = False) -> signals.Info:
    t = tables(jobs=0, hostile=hostile)
    return signals.info(t["signals"], t["alarms"], units=UNITS, thresholds=LIMITS,
                        alarm_signals={(JOBS, "hidden_cpu"): "hidden_cpu"})


def test_a_panel_holds_its_lines_thresholds_and_spans() -> None:
    hidden, starts = read().panels
    assert (hidden.signal, hidden.unit, len(hidden.series)) == ("hidden_cpu", "%", 1)
    assert hidden.series[0].ts_ns == [START + n * S for n in range(30)]
    assert hidden.thresholds == tuple(LIMITS)
    assert hidden.spans == (Span(START + 6 * S, START + 8 * S, "warn"), Span(START + 8 * S, None, "crit"))
    assert [s.name for s in starts.series] == ["cron", "apache2"]  # the one that peaks highest first
    assert starts.spans == ()


def test_a_second_of_which_nothing_is_known_is_no_zero() -> None:
    table = pa.table({"signal": ["a", "a"], "second": [START, START + S], "node": ["n", "n"], "label": ["", ""],
                      "value": pa.array([1.0, None])})
    values = signals.info(table, tables(jobs=0)["alarms"]).panels[0].series[0].values
    assert values[0] == 1.0
    assert math.isnan(values[1])


def test_lengths_and_sizes_are_drawn_in_the_unit_that_fits_their_peak_with_their_thresholds() -> None:
    table = pa.table({"signal": ["wait"], "second": [START], "node": ["n"], "label": [""], "value": [30_000_000]})
    empty = tables(jobs=0)["alarms"].slice(0, 0)
    panel = signals.info(table, empty, units={("", "wait"): "ns"},
                         thresholds=[Threshold("", "wait", "warn", 5e6)]).panels[0]
    assert (panel.unit, panel.series[0].values, panel.thresholds[0].value) == ("ms", [30.0], 5.0)


def test_of_many_labels_the_highest_are_drawn_and_the_others_counted() -> None:
    table = pa.table({"signal": ["a"] * 9, "second": [START] * 9, "node": ["n"] * 9,
                      "label": [f"l{n}" for n in range(9)], "value": [float(n) for n in range(9)]})
    panel = signals.info(table, tables(jobs=0)["alarms"]).panels[0]
    assert [s.name for s in panel.series] == ["l8", "l7", "l6", "l5", "l4", "l3"]
    assert panel.left_out == 3
    assert "+ 3 more" in signals.figure(signals.Info((panel,), "")).layout.annotations[0].text


def test_several_nodes_are_named_in_the_lines() -> None:
    table = pa.table({"signal": ["a", "a"], "second": [START] * 2, "node": ["node-1", "node-2"], "label": ["x", ""],
                      "value": [1.0, 2.0]})
    panel = signals.info(table, tables(jobs=0)["alarms"]).panels[0]
    assert [s.name for s in panel.series] == ["node-2", "node-1 · x"]


def test_no_signals_give_a_note() -> None:
    t = tables(jobs=0)
    info = signals.info(t["signals"].slice(0, 0), t["alarms"].slice(0, 0))
    assert info.panels == ()
    assert info.note in signals.figure(info).layout.annotations[0].text


def test_the_figure_draws_every_line_span_and_threshold() -> None:
    drawing = signals.figure(read())
    assert len(drawing.data) == 3
    assert len([s for s in drawing.layout.shapes if s.type == "rect"]) == 2
    assert len([s for s in drawing.layout.shapes if s.type == "line"]) == 2
    assert drawing.layout.xaxis.type == "date"
    assert drawing.data[0].x[0] == "2026-05-01T12:00:00.000"


def test_a_hostile_label_is_text_in_the_figure() -> None:
    text = str(signals.figure(read(hostile=True)).to_json())
    assert HOSTILE[0] not in text
    assert "&lt;script&gt;alert(1)" in text.replace("\\u0026", "&").replace("\\u003c", "<")


def test_next_to_nothing_is_drawn_as_next_to_nothing() -> None:
    rows = pa.table({"scenario": ["x"] * 2, "signal": ["idle"] * 2, "second": [START, START + S], "node": ["a"] * 2,
                     "label": [""] * 2, "value": [0.0, 0.0005]})
    drawing = signals.figure(signals.info(rows, tables(jobs=0)["alarms"].slice(0, 0), units={("x", "idle"): "ratio"}))
    assert drawing.layout.yaxis.range == (0, 0.05)


def test_a_signal_that_is_left_out_gets_no_panel() -> None:
    t = tables(jobs=0)
    shown = signals.info(t["signals"], t["alarms"], units=UNITS, left_out={(JOBS, "starts")})
    assert [panel.signal for panel in shown.panels] == ["hidden_cpu"]


def test_signals_of_one_name_of_two_scenarios_are_two_panels_with_their_own_units_and_alarms() -> None:
    rows = pa.table({"scenario": ["loops", "memory"], "signal": ["held"] * 2, "second": [START] * 2, "node": ["n"] * 2,
                     "label": [""] * 2, "value": [3e9, 0.5]})
    alarms = tables(jobs=0)["alarms"].slice(0, 1).to_pandas().assign(scenario="memory", alarm="full")
    loops, memory = sorted(signals.info(
        rows, alarms, units={("loops", "held"): "ns", ("memory", "held"): "ratio"},
        thresholds=[Threshold("memory", "held", "warn", 0.9)], alarm_signals={("memory", "full"): "held"},
    ).panels)
    assert (loops.unit, loops.series[0].values, loops.thresholds, loops.spans) == ("s", [3.0], (), ())
    assert (memory.unit, memory.series[0].values, len(memory.thresholds), len(memory.spans)) == ("%", [0.5], 1, 1)
    assert [signals.title(panel) for panel in (loops, memory)] == ["<b>held</b> (s) of loops", "<b>held</b> of memory"]


def recorded(*starts: int) -> signals.Info:
    """A signal of two seconds in the first of recordings of ten seconds each."""
    rows = pa.table({"scenario": ["x"] * 2, "signal": ["idle"] * 2, "second": [START, START + S], "node": ["a"] * 2,
                     "label": [""] * 2, "value": [1.0, 2.0]})
    windows = [(START + at * S, START + (at + 10) * S) for at in starts]
    return signals.info(rows, tables(jobs=0)["alarms"].slice(0, 0), recorded=windows)


def test_the_axis_breaks_where_nothing_was_recorded_for_long_and_says_for_how_long() -> None:
    info = recorded(2_555, 0, 10_000)
    assert info.stretches == tuple((START + at * S, START + (at + 10) * S) for at in (0, 2_555, 10_000))
    assert signals.foremost(info, 0).stretches == info.stretches
    drawing = signals.figure(info)
    bounds = [[np.datetime64(at, "ms").astype(int) * 10**6 - START for at in one.bounds]
              for one in drawing.layout.xaxis.rangebreaks]
    assert bounds == [[10.9 * S, 2_554.1 * S], [2_565.9 * S, 9_999.1 * S]]
    words = [a.text for a in drawing.layout.annotations if a.textangle == -90]
    assert words == ["42 min", "2 h 3 min"]
    assert [shape.x1 for shape in drawing.layout.shapes] == ["2026-05-01T12:42:35.000", "2026-05-01T14:46:40.000"]
    ticks = np.array(drawing.layout.xaxis.tickvals, dtype="datetime64[s]").astype(int) - START // S
    assert list(ticks) == [5, 2_560, 10_005]


def test_the_axis_stays_whole_where_recordings_meet_or_nearly_do() -> None:
    for info in (recorded(), recorded(0), recorded(0, 10), recorded(0, 5), recorded(20, 0)):
        assert len(info.stretches) <= 1
        assert not signals.figure(info).layout.xaxis.rangebreaks
    assert recorded(20, 0).stretches == ((START, START + 30 * S),)


def drawn(limits: list[Threshold], peak: float) -> signals.go.Figure:
    rows = pa.table({"scenario": ["x"] * 2, "signal": ["failed"] * 2, "second": [START, START + S], "node": ["a"] * 2,
                     "label": [""] * 2, "value": [0.0, peak]})
    return signals.figure(signals.info(rows, tables(jobs=0)["alarms"].slice(0, 0), thresholds=limits,
                                       about={("x", "failed"): "Of <programs> that failed."}))


def test_a_sum_of_many_seconds_is_no_level_that_a_second_could_reach() -> None:
    drawing = drawn([Threshold("x", "failed", "warn", 60.0, ">", "sum", 60)], peak=4.0)
    title, label = drawing.layout.annotations
    assert [shape for shape in drawing.layout.shapes if shape.type == "line"] == []
    assert label.text == "warns<br>above 60 in 60 s"
    assert label.hovertext == "warn is raised where the sum of the last 60 s is above 60"
    assert drawing.layout.yaxis.range == (0, 4.6)
    assert title.hovertext == "Of &lt;programs&gt; that failed."


def test_labels_of_levels_that_are_close_to_each_other_do_not_meet() -> None:
    drawing = drawn([Threshold("x", "failed", "crit", 2.0), Threshold("x", "failed", "warn", 1.0)], peak=100.0)
    low, high = drawing.layout.annotations[1:]
    per_pixel = drawing.layout.yaxis.range[1] / 150
    assert [low.text, high.text] == ["warns<br>above 1", "critical<br>above 2"]
    assert (high.y - low.y) / per_pixel + high.yshift - low.yshift >= 26 - 1e-6


def test_a_threshold_that_two_alarms_have_in_common_is_one_line_with_one_label_that_tells_of_both() -> None:
    drawing = drawn([Threshold("x", "failed", "warn", 60.0, ">", "min", 2), Threshold("x", "failed", "crit", 90.0),
                     Threshold("x", "failed", "warn", 60.0, ">", "avg", 60)], peak=100.0)  # fmt: skip
    labels = drawing.layout.annotations[1:]
    assert [note.text for note in labels] == ["warns<br>above 60", "critical<br>above 90"]
    assert "the last 2 s" in labels[0].hovertext
    assert "the last 60 s" in labels[0].hovertext
    assert len(drawing.layout.shapes) == 2


def test_of_too_many_panels_those_of_alarms_their_scenarios_and_the_nearest_to_one_are_kept() -> None:
    names = [("hot", "raised"), ("hot", "beside"), ("calm", "near"), ("calm", "far"), ("calm", "bare")]
    rows = pa.table({"scenario": [of for of, _ in names], "signal": [name for _, name in names], "second": [START] * 5,
                     "node": ["n"] * 5, "label": [""] * 5, "value": [9.0, 1.0, 0.8, 0.1, 5.0]})
    alarms = tables(jobs=0)["alarms"].slice(0, 1).to_pandas().assign(scenario="hot", alarm="on")
    info = signals.info(rows, alarms, alarm_signals={("hot", "on"): "raised"}, thresholds=[
        Threshold("calm", "far", "warn", 1.0), Threshold("calm", "near", "warn", 1.0)])
    kept = signals.foremost(info, 3)
    assert [panel.signal for panel in kept.panels] == ["raised", "beside", "near"]
    assert kept.note == "Not shown: 2 more signals that came less near to an alarm."
    assert kept.note in [a.text for a in signals.figure(kept).layout.annotations]
    assert signals.foremost(info, 5) is info
