"""compare.ipynb in JupyterLab, in a real browser: run all, see the ranking and the flame graph, drag another window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from in_lab import Book, Lab
from planted_moments import START, S, by_chance, moment, sampled, usual
from synthetic import HOSTILE

pytestmark = pytest.mark.browser
SERVE = ("main", "serve_request")
USUAL = {(*SERVE, "render_page"): 9.0, (*SERVE, "query_database", "tcp_sendmsg"): 6.0,
         (*SERVE, "log", "ksys_write"): 2.0, (*SERVE, "parse_headers"): 3.0}  # fmt: skip
ADDED = {(*SERVE, "compress", "deflate"): 16.0, (*SERVE, "compress", "crc32"): 4.0, (*SERVE, "render_page"): 4.0}
#: What was started on Friday; the last two with names that are not kind, but for the pictures in docs/.
NAMES = ["compressd", *(("zstd", "gzip") if os.environ.get("SANTABPF_IMAGES") == "1" else HOSTILE[:2])]
MONDAY_S, FRIDAY_S, TROUBLE_S = 60, 40, 20


@pytest.fixture(scope="module")
def recordings(lab: Lab) -> tuple[Path, Path]:
    """Monday is quiet; on Friday, after 20 s, a new release compresses everything, and names are not kind."""
    folder = lab.root / "recordings"
    friday = usual(2, FRIDAY_S) | sampled(5, FRIDAY_S, USUAL)
    later = START + TROUBLE_S * S
    more = sampled(6, FRIDAY_S - TROUBLE_S, USUAL | ADDED, later)
    friday["profile"] = [row for row in friday["profile"] if row["ts_ns"] < later] + list(more["profile"])
    friday["symbols"] = more["symbols"]
    for at, name in enumerate(NAMES):
        friday["exec"] += by_chance(70 + at, FRIDAY_S - TROUBLE_S, 30 - 8 * at, {"comm": name}, later)
    monday = usual(1, MONDAY_S) | sampled(4, MONDAY_S, USUAL)
    probes = ["exec", "dns", "file_io", "processes", "profile"]
    return (moment(folder / "release-friday", FRIDAY_S, friday, probes),
            moment(folder / "monday", MONDAY_S, monday, probes))  # fmt: skip


@pytest.fixture(scope="module")
def book(lab: Lab, recordings: tuple[Path, Path]) -> Iterator[Book]:
    friday, monday = map(str, recordings)
    view = {"width": 1360, "height": 4000}
    with lab.notebook("compare.ipynb", view, incident=friday, good=monday, incident_window="20s..") as opened:
        opened.run_all()
        opened.page.locator(".santa-flame canvas").wait_for(timeout=60_000)
        yield opened


@dataclass
class Between:
    """What stands in the notebook from one heading to another, as something that can be photographed."""

    page: Any
    first: str
    last: str

    def screenshot(self, path: Path) -> None:
        start, end = (self.page.get_by_role("heading", name=name).first.bounding_box()
                      for name in (self.first, self.last))  # fmt: skip
        notebook = self.page.locator(".jp-Notebook").first.bounding_box()
        top, bottom = start["y"] - 16, end["y"] - 24
        assert bottom - top > 1200
        self.page.screenshot(path=path, clip={**notebook, "y": top, "height": bottom - top})


def ranking(book: Book) -> list[list[str]]:
    """The rows of the first table of the ranking."""
    rows = book.page.locator(".santa-table:visible").nth(0).locator("tbody tr").all_inner_texts()
    return [[cell.strip() for cell in row.split("\t")] for row in rows]


def test_the_ranking_names_what_was_released_and_noise_stands_beside_it(book: Book) -> None:
    first = ranking(book)[0]
    assert first[:2] == ["programs started, how many\nexec, rows", "command compressd"]
    assert first[4] == "new"
    assert any(row[1] == f"command {NAMES[1]}" for row in ranking(book))
    captions = book.page.locator(".santa-table caption:visible").all_inner_texts()
    live, kept = captions[:2], captions[2:]  # the ranking that follows the windows, and the one that is plain output
    assert live == kept == ["What changed", "Noise: the same ranking, of one quiet moment against the others"]


def test_the_flame_graph_shows_the_difference_and_its_legend_says_what_colours_mean(book: Book) -> None:
    legend = book.page.locator(".santa-flame .santa-legend").inner_text()
    assert "more CPU time a second than before" in legend
    assert "less CPU time a second than before" in legend
    search = book.page.locator(".santa-flame input[type=search]")
    search.fill("deflate")
    book.page.locator(".santa-flame .santa-said", has_text="of all matches, in 1 box").wait_for()
    search.press("Enter")
    told = book.page.locator(".santa-flame .santa-heard", has_text="deflate")
    told.wait_for(state="attached")
    assert "before: nothing, after: " in told.text_content()
    assert " ms a second" in told.text_content().split("after: ")[1]
    search.fill("")
    book.page.locator(".santa-flame canvas").evaluate("canvas => canvas.blur()")


def test_a_picture_for_the_docs(book: Book) -> None:
    book.page.mouse.move(5, 5)
    book.page.locator(".santa-flame input[type=search]").blur()
    book.page.locator(".santa-chart .js-plotly-plot .main-svg").nth(5).wait_for(state="attached")  # two a chart
    book.page.get_by_text("none was raised").nth(1).wait_for()  # both were judged
    assert book.screenshot("compare", Between(book.page, "Choose the two moments", "To keep")).exists()
    assert book.screenshot("differential-flame", book.page.locator(".santa-flame").first).exists()


def test_another_window_is_compared_when_it_is_dragged(book: Book) -> None:
    plot = book.page.locator(".santa-chart .js-plotly-plot").nth(1).locator(".nsewdrag").first
    plot.scroll_into_view_if_needed()
    area = plot.bounding_box()
    left, right = (area["x"] + area["width"] * s / FRIDAY_S for s in (1, 19))
    middle = area["y"] + area["height"] / 2
    book.page.mouse.move(left, middle)
    book.page.mouse.down()
    book.page.mouse.move((left + right) / 2, middle, steps=4)
    book.page.mouse.move(right, middle, steps=4)
    book.page.mouse.up()
    book.page.get_by_text("as far as was recorded").first.wait_for(timeout=30_000)


def test_nothing_left_the_machine_and_no_script_of_a_name_ran(book: Book) -> None:
    assert book.requests == []
    assert book.complaints == []
