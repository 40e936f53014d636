"""What a notebook gets: figures and lanes as bundles, and the page's own parts."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import sys

import plotly.graph_objects as go
import pytest
from synthetic import HOSTILE

from santabpf.display import Figure, Lanes
from santabpf.display.figure import MIME
from santabpf.display.lanes import Box
from santabpf.display.page import asset, inline_json, packed, page_resources, plotly_js, policy


def lanes(name: str = "sh") -> Lanes:
    boxes = [Box(0, 1000, 0, -1, name, "pid 1", "", False), Box(100, 5, 1, 0, name, "pid 2", "sh -c x" * 100, True)]
    return Lanes((0, 1_000_000), boxes, 2, {name: "#2f6f9f"}, [(0, 10, "crit")], "a note", "two processes")


def test_a_figure_comes_as_plotly_without_a_way_to_upload() -> None:
    bundle = Figure(go.Figure(go.Scatter(x=[1], y=[2])), "a line")._repr_mimebundle_()
    assert next(iter(bundle)) == MIME
    assert bundle[MIME]["config"]["showSendToCloud"] is False
    assert bundle[MIME]["config"]["plotlyServerURL"] == ""
    assert bundle[MIME]["data"][0]["type"] == "scatter"
    assert bundle["text/plain"] == "[chart: a line]"


def test_showing_a_figure_imports_none_of_plotlys_renderers() -> None:
    code = (
        "import sys\nfrom santabpf.charts import signals\nfrom santabpf.display import Figure\n"
        "Figure(signals.figure(signals.Info((), 'nothing')), 'x')._repr_mimebundle_()\n"
        "print([m for m in ('nbformat', 'IPython', 'ipywidgets', 'rfc3987_syntax', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_lanes_hold_their_boxes_packed_once() -> None:
    page = lanes().html()
    data = page.split('data-santa-lanes="')[1].split('"')[0]
    payload = json.loads(gzip.decompress(base64.b64decode(data)))
    assert payload["s"] == [0, 100]
    assert payload["d"] == [1000, 5]
    assert payload["p"] == [-1, 0]
    assert payload["bad"] == [1]
    assert payload["details"][1].endswith("…")
    assert page == lanes().html()  # the same boxes, the same bytes


def test_lanes_have_a_still_picture_where_no_script_runs() -> None:
    still = lanes().still()
    assert still.count("<rect") == 2
    assert "data:image/svg+xml;base64," + base64.b64encode(still.encode()).decode() in lanes().html()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stands_nowhere_in_the_lanes_html(name: str) -> None:
    assert name not in lanes(name).html().split('data-santa-lanes="')[1].split('"', 1)[1]
    assert name not in lanes(name).still()


def test_lanes_without_boxes_are_a_note() -> None:
    empty = Lanes((0, 1), [], 0, {}, [], "nothing <ran>", "none")
    assert "nothing &lt;ran&gt;" in empty.html()
    assert "canvas" not in empty.html()


def test_json_in_a_page_can_neither_end_nor_begin_an_element() -> None:
    text = inline_json({"a": "</script><script>&amp;"})
    assert not set(text) & set("<>&")
    assert json.loads(text) == {"a": "</script><script>&amp;"}


def test_only_the_pages_own_scripts_may_run_and_nothing_may_connect() -> None:
    text = policy("alert(1)")
    wanted = base64.b64encode(hashlib.sha256(b"alert(1)").digest()).decode()
    assert text.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{wanted}';" in text
    assert "connect-src" not in text
    assert "unsafe-eval" not in text


def test_the_library_is_packed_the_same_way_each_time_and_is_left_out_where_there_is_no_figure() -> None:
    assert gzip.decompress(base64.b64decode(packed("x" * 1000))).decode() == "x" * 1000
    assert packed("x") == packed("x")
    assert page_resources("")["santa_plotly"] == ""
    assert "plotly" in plotly_js()[:2000]


ASSETS = ["words.css", "page.css", "unpack.js", "lanes.js", "flame_tree.js", "flame_words.js", "flame.js", "santa.js"]


@pytest.mark.parametrize("name", ASSETS)
def test_no_asset_names_an_address_or_could_end_its_element(name: str) -> None:
    text = asset(name)
    assert "//" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "</" not in text
    assert "@import" not in text
    assert "innerHTML" not in text
