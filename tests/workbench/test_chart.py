"""The chart and flame graph widgets, as far as Python goes: what they send, and what they make of what comes back."""

from __future__ import annotations

import gzip
import json

import numpy as np
import plotly.graph_objects as go

from santabpf.display import Figure, Flame
from santabpf.display.flame import Frame
from santabpf.display.page import plotly_js
from santabpf.workbench import Chart, FlameGraph


def figure() -> Figure:
    return Figure(go.Figure(go.Scatter(x=np.arange(1000, dtype=np.float32), y=np.ones(1000, dtype=np.float32))), "line")


def test_numbers_go_as_typed_arrays_and_the_upload_button_is_off() -> None:
    chart = Chart(figure())
    assert chart.figure["data"][0]["y"]["dtype"] == "f4"
    assert chart.figure["config"]["showSendToCloud"] is False
    assert len(json.dumps(chart.figure)) < 40_000


def test_the_library_is_sent_packed_and_only_when_asked_for() -> None:
    chart, sent = Chart(figure()), []
    chart.send = lambda content, buffers=None: sent.append((content, buffers))
    chart._handle_custom_msg({"something": "else"}, [])
    assert sent == []
    chart._handle_custom_msg({"ask": "plotly"}, [])
    (content, buffers), = sent
    assert content == {"answer": "plotly"}
    assert gzip.decompress(buffers[0]).decode() == plotly_js()


def test_a_dragged_range_is_told_in_nanoseconds_and_a_click_by_what_the_point_stands_for() -> None:
    chart, windows, clicks = Chart(figure()), [], []
    chart.on_window(lambda start, end: windows.append((start, end)))
    chart.on_click(clicks.append)
    chart.selected = [1_777_636_800_000.0, 1_777_636_805_500.0]
    chart.selected = []
    chart.clicked = {"customdata": ["exec", 7], "x": 1, "y": 2, "count": 1}
    chart.clicked = {"customdata": ["exec", 7], "x": 1, "y": 2, "count": 2}
    assert windows == [(1_777_636_800_000_000_000, 1_777_636_805_500_000_000)]
    assert clicks == [["exec", 7], ["exec", 7]]


def test_a_sentence_stands_in_place_of_a_figure_until_one_is_drawn() -> None:
    chart = Chart(message="Nothing was recorded.")
    assert chart.message == "Nothing was recorded."
    assert chart.figure == {}
    chart.draw(figure())
    assert chart.message == ""


def test_a_flame_graph_is_sent_as_html_in_which_no_name_is_markup() -> None:
    frames = [Frame(0, "all", "", "all", 0), Frame(1, "<img src=x>", "", "user", 3)]
    widget = FlameGraph(Flame(frames, "samples", "CPU"))
    assert "data-santa-flame" in widget.drawing
    assert "<img src=x>" not in widget.drawing
    clicks = []
    widget.on_click(clicks.append)
    widget.clicked = {"name": "main", "module": "", "kind": "user", "path": ["main"], "count": 1}
    assert clicks[0]["name"] == "main"
