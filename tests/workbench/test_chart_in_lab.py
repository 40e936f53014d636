"""chart.js in a page of its own, with models that are made up: who asks for plotly.js, and what a redraw leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from in_lab import ROOT, Lab

from santabpf.charts.drawing import Drawing
from santabpf.display import Figure
from santabpf.display.page import plotly_js

pytestmark = pytest.mark.browser
#: Charts whose models note what they send; answer(nth) sends a plotly.js that draws nothing, packed, through the nth.
_STAGE = """async (script) => {
  const { render } = (await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })))).default;
  const packed = new Response(new Blob(["module.exports = { react: async (at) => { at.on = () => {}; }, purge() {} };"])
    .stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  window.charts = [];
  window.add = () => {
    const heard = [], values = { figure: { data: [], layout: {} }, message: "", now: null };
    const el = document.body.appendChild(document.createElement("div"));
    const chart = { asked: 0, el, leave: new AbortController() };
    const model = { get: (name) => values[name], off: () => {}, send: () => { chart.asked++; },
      on: (name, act) => { if (name === "msg:custom") heard.push(act); } };
    chart.leave.signal.addEventListener("abort", () => { heard.length = 0; });
    chart.answer = async () => Promise.all(heard.map(async (act) => act({ answer: "plotly" }, [await packed])));
    charts.push(chart);
    render({ model, el: chart.el, signal: chart.leave.signal });
  };
  for (let n = 0; n < 3; n++) add();
}"""
ASKED = "() => charts.map((chart) => chart.asked)"
DRAWN = "n => charts[n].el.dataset.drawn === '1'"


#: One chart whose model is `values`, with the real plotly.js, which is handed in; change(figure) draws another.
_CHART = """async ([script, library]) => {
  const { render } = (await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })))).default;
  const packed = await new Response(new Blob([library]).stream()
    .pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  const heard = {}, values = { figure: {}, message: "", now: null, selected: [], clicked: {} };
  const model = { get: (name) => values[name], set: (name, value) => { values[name] = value; }, off: () => {},
    on: (name, act) => { heard[name] = act; }, save_changes: () => {},
    send: () => { heard["msg:custom"]({ answer: "plotly" }, [packed]); } };
  const el = document.body.appendChild(document.createElement("div"));
  window.change = (figure) => { values.figure = figure; heard["change:figure"](); };
  window.drawn = () => el.dataset.drawn;
  window.shown = () => el.querySelector(".js-plotly-plot")._fullLayout.xaxis.range;
  render({ model, el, signal: new AbortController().signal });
}"""


@pytest.fixture
def page(lab: Lab) -> Iterator[Any]:
    opened = lab.browser.new_page()
    opened.clock.install()
    opened.evaluate(_STAGE, (ROOT / "santabpf" / "workbench" / "chart.js").read_text())
    yield opened
    opened.close()


def test_one_asks_and_all_draw(page: Any) -> None:
    assert page.evaluate(ASKED) == [1, 0, 0]
    page.evaluate("() => charts[0].answer()")
    for nth in range(3):
        page.wait_for_function(DRAWN, arg=nth)
    page.evaluate("() => add()")
    page.wait_for_function(DRAWN, arg=3)
    assert page.evaluate(ASKED) == [1, 0, 0, 0]


def test_another_asks_when_the_one_that_asked_has_gone(page: Any) -> None:
    page.evaluate("() => charts[0].leave.abort()")
    page.wait_for_function("() => charts[1].asked === 1")
    page.evaluate("() => charts[1].answer()")
    page.wait_for_function(DRAWN, arg=2)
    assert page.evaluate(ASKED) == [1, 1, 0]


def test_those_that_wait_ask_in_turn_when_no_answer_comes_and_say_what_they_wait_for(page: Any) -> None:
    page.clock.run_for(4_000)
    assert "Waiting for the notebook's kernel" in page.inner_text("body")
    for asked in ([1, 1, 0], [1, 1, 1], [2, 1, 1]):
        page.clock.run_for(15_500)
        page.wait_for_function("asked => String(charts.map((chart) => chart.asked)) === String(asked)", arg=asked)
    page.evaluate("() => charts[1].answer()")  # late, and heard all the same
    page.wait_for_function(DRAWN, arg=0)
    assert "Waiting" not in page.inner_text("body")


def test_a_zoom_lasts_over_a_redraw_of_the_same_and_no_longer(lab: Lab) -> None:
    page = lab.browser.new_page(viewport={"width": 800, "height": 500})
    script = (ROOT / "santabpf" / "workbench" / "chart.js").read_text()
    page.evaluate(_CHART, [script, plotly_js()])

    def shown(nth: int, length: int, of: str) -> list[float]:
        drawing = Drawing()
        drawing.add("scatter", x=list(range(length)), y=list(range(length)))
        drawing.axis("x", autorangeoptions={"include": [0, length]})
        spec = Figure(drawing.figure(height=400, uirevision=of), "line").spec
        page.evaluate("spec => change({ ...spec, config: {} })", spec)
        page.wait_for_function(f"() => drawn() === '{nth}'")
        return [float(end) for end in page.evaluate("shown()")]

    assert shown(1, 100, "one run") == [0, 100]
    place = page.locator(".nsewdrag").first.bounding_box()
    y = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + place["width"] * 0.2, y)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.4, y, steps=5)
    page.mouse.up()
    page.wait_for_function("() => shown()[1] < 60")
    start, end = shown(2, 110, "one run")
    assert 10 < start < 30 < end < 50
    assert shown(3, 110, "another") == [0, 110]
    page.close()
