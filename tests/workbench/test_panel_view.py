"""A panel as widgets: what stands there is changed in place, and what it cannot be changed into is made anew."""

from __future__ import annotations

from collections.abc import Iterator

import plotly.graph_objects as go
import pytest
from ipywidgets import Widget

from santabpf.display import Figure, Flame, Note, Words
from santabpf.display.flame import Frame
from santabpf.workbench.panel_view import PanelView
from santabpf.workbench.panels import Panel
from santabpf.workbench.part import Part
from santabpf.workbench.view import Filter


class Stage:
    """A panel that shows the parts it is given."""

    def __init__(self) -> None:
        self.picked: list[object] = []
        self.looked: list[tuple[int, int]] = []
        self.parts: list[Part] = []
        self.view = PanelView(Panel("stage", "who", 0, "Stage", "", lambda _: self.parts), self.picked.append,
                              lambda *window: self.looked.append(window))

    def show(self, *parts: Part) -> list[Widget]:
        """All that stands in the panel then, headings and parts."""
        self.parts = list(parts)
        self.view.update(None)
        return list(self.view._body.children)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage()
    monkeypatch.setattr("santabpf.workbench.panel_view.draw", lambda *_: made.parts)
    return made


def chart(*ys: int) -> Figure:
    return Figure(go.Figure(go.Scatter(y=ys)), "line")


def flame(name: str) -> Flame:
    return Flame([Frame(0, "all", "", "all", 0), Frame(1, name, "", "user", 3)], "samples", "CPU")


def words(text: str) -> Words:
    return Words(Note(text))


def test_what_is_shown_anew_is_changed_in_place(stage: Stage) -> None:
    first = stage.show(Part(chart(1)), Part(flame("old"), heading="CPU"), Part(words("old")))
    again = stage.show(Part(chart(2)), Part(flame("new"), heading="Waiting"), Part(words("new")))
    assert [widget.model_id for widget in again] == [widget.model_id for widget in first]
    assert all(widget.comm is not None for widget in again)
    line, graph, pane = stage.view._widgets
    assert line.figure["data"][0]["y"] == chart(2).spec["data"][0]["y"]
    assert graph.drawing == flame("new").html()
    assert "new" in pane.drawing
    assert "Waiting" in again[2].value


def test_what_is_of_another_kind_or_no_longer_there_is_closed_and_the_rest_stays(stage: Stage) -> None:
    first = stage.show(Part(chart(1)), Part(flame("old")), Part(chart(3)))
    line, graph, last = stage.view._widgets
    stage.show(Part(chart(2)), Part(words("no stacks")), Part(chart(3)))
    assert stage.view._widgets[0] is line
    assert stage.view._widgets[2] is last
    assert graph.comm is None
    stage.show(Part(chart(2)))
    assert stage.view._widgets == [line]
    assert last.comm is None
    assert first[0].comm is not None
    assert len(stage.show(Part(chart(2)), Part(chart(4)))) == 4


def test_one_click_is_heard_once_and_stands_for_what_is_shown_then(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        stage.show(Part(chart(1), [Filter("file", name)]))
    line, = stage.view._widgets
    line.clicked = {"customdata": 0, "count": 1}
    assert stage.picked == [Filter("file", "c")]


def test_the_same_range_can_be_dragged_once_more_when_the_chart_was_drawn_since(stage: Stage) -> None:
    for end in (2, 3):
        stage.show(Part(chart(1, end)))
        stage.view._widgets[0].selected = [1.0, 2.0]
    assert stage.looked == [(1_000_000, 2_000_000)] * 2
