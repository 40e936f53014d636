"""investigate.ipynb in JupyterLab, in a real browser: drag, click, step back, annotate, export; with hostile names.

The tests of this file are one walk through the workbench, in their order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import busy_node
import pytest
from in_lab import Book, Lab
from synthetic import HOSTILE, SECONDS

from santabpf.display.escape import visible
from santabpf.workbench import Window

pytestmark = pytest.mark.browser
SHOP, ORDERS = HOSTILE[0], HOSTILE[1]


@pytest.fixture(scope="module")
def busy(lab: Lab) -> Path:
    return busy_node.record(lab.root / "shop" / "friday", hostile=True)  # alone there, whichever test ran before


@pytest.fixture(scope="module")
def book(lab: Lab, busy: Path) -> Iterator[Book]:
    with lab.notebook("investigate.ipynb", recording=str(busy), recordings=str(busy.parent)) as opened:
        opened.run_all()
        opened.page.locator(".santa-state").first.wait_for(timeout=30_000)  # it was judged
        yield opened


def table(book: Book, tab: str, nth: int = 0) -> Any:
    """A table of a tab, which is then the one that is seen."""
    book.page.get_by_role("tab", name=tab, exact=True).click()
    found = book.page.locator(".santa-table:visible").nth(nth)
    found.wait_for()
    return found


def rows(of: Any) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("\t")] for row in of.locator("tbody tr").all_inner_texts()]


def rows_when(book: Book, tab: str, condition: str) -> list[list[str]]:
    """The rows of a tab's first table, as soon as this is true of `rows` (JavaScript); drawing takes a while."""
    found = table(book, tab)
    book.page.wait_for_function("""([condition]) => {
        const table = [...document.querySelectorAll('.santa-table')].find((one) => one.checkVisibility());
        const rows = table ? [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText)) : [];
        return new Function('rows', 'return ' + condition)(rows); }""", arg=[condition])
    return rows(found)


def drag(book: Book, start: float, end: float) -> None:
    """Over the overview, from one share of its time to another."""
    plot = book.page.locator(".santa-chart .js-plotly-plot").first
    area = plot.locator(".nsewdrag").first.bounding_box()
    left, right = (area["x"] + area["width"] * share for share in (start, end))
    middle = area["y"] + area["height"] / 2
    book.page.mouse.move(left, middle)
    book.page.mouse.down()
    book.page.mouse.move((left + right) / 2, middle, steps=4)
    book.page.mouse.move(right, middle, steps=4)
    book.page.mouse.up()


def settled(book: Book, selector: str) -> None:
    """Wait until what stands there is not about to be drawn anew, which would swallow a click."""
    book.page.wait_for_function("""([selector]) => {
        const before = window.lastSeen;
        window.lastSeen = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());
        return before && before === window.lastSeen; }""", arg=[selector], polling=1500)


def looked_at(busy: Path) -> dict[str, Any]:
    """The view, as the kernel keeps it beside the recording."""
    return json.loads(busy.with_name("friday.investigation.json").read_text())["view"]


def chips(book: Book) -> list[str]:
    return [text.removeprefix("✕ ") for text in book.page.get_by_role("button", name="✕").all_inner_texts()]


def test_it_shows_the_recording_its_overview_and_its_verdicts(book: Book) -> None:
    page = book.page
    assert page.locator(".santa-chart .js-plotly-plot").first.locator("svg").first.is_visible()
    assert "Short-lived jobs burn CPU" in page.locator(".santa-badge").first.inner_text()
    page.get_by_text("Recordings in").click()
    chooser = page.locator(".santa-table:visible").first
    assert rows(chooser)[0][0] == "friday"
    assert "Short-lived jobs burn CPU" in rows(chooser)[0][-1]
    page.get_by_text("Recordings in").click()


def test_everything_follows_a_window_that_is_dragged(book: Book, busy: Path) -> None:
    files = table(book, "Files and errors")
    assert rows(files)[0][:3] == [ORDERS, "610 ms", "310"]
    overview = book.page.locator(".santa-chart").first
    overview.evaluate("chart => { chart.dataset.mark = 'the same'; }")
    drag(book, 5 / SECONDS, 15 / SECONDS)
    assert rows_when(book, "Files and errors", "rows[0][2] < 120")[0][2] in ("100", "110")
    start, end = looked_at(busy)["window"]
    assert abs((end - start) / 1e9 - 10) < 0.5
    assert overview.locator(".shapelayer path").count() >= 2  # veils
    assert overview.get_attribute("data-mark") == "the same"
    assert overview.locator(".js-plotly-plot").count() == 1


def test_a_mistyped_time_is_answered_below_its_box(book: Book) -> None:
    box = book.page.locator("input[type=text]:visible").first
    right = box.input_value()
    box.fill("soon")
    box.press("Enter")
    answer = book.page.get_by_text("'soon' is no moment")
    answer.wait_for()
    below = answer.bounding_box()["y"] - box.bounding_box()["y"]
    assert 0 < below < 80
    book.screenshot("mistyped")
    box.fill(right)
    box.press("Enter")
    answer.wait_for(state="hidden")


def test_the_same_window_can_be_dragged_again_after_a_step_back(book: Book, busy: Path) -> None:
    chosen, page = looked_at(busy)["window"], book.page
    page.get_by_role("button", name="← Step back").click()
    assert rows_when(book, "Files and errors", "rows[0][2] === '310'")
    drag(book, 5 / SECONDS, 15 / SECONDS)
    assert rows_when(book, "Files and errors", "rows[0][2] < 120")
    assert looked_at(busy)["window"] == chosen
    overview = page.locator(".santa-chart").first
    assert overview.locator(".selectionlayer path").count() == 0
    assert overview.get_attribute("data-mark") == "the same"


def test_a_click_on_a_process_leaves_what_has_to_do_with_it(book: Book) -> None:
    processes = table(book, "Who")
    processes.get_by_text(visible(SHOP), exact=True).click()
    book.page.get_by_role("button", name="✕").wait_for()
    assert chips(book) == [f"command {SHOP}"]
    assert rows_when(book, "Who", "rows[0][1] === '7001'")
    table(book, "Who").get_by_text("7001").click()
    book.page.wait_for_function("() => [...document.querySelectorAll('button')].filter("
                                "(b) => b.innerText.startsWith('✕')).length === 2")
    assert chips(book)[1] == f"process {SHOP} (pid 7001)"
    assert [row[0] for row in rows_when(book, "Who", "rows.length === 1")] == [SHOP]


def test_one_steps_back(book: Book) -> None:
    for left in (1, 0):
        book.page.get_by_role("button", name="← Step back").click()
        book.page.wait_for_function("n => [...document.querySelectorAll('button')].filter("
                                    "(b) => b.innerText.startsWith('✕')).length === n", arg=left)
    assert rows_when(book, "Who", "rows.length === 15")


def test_the_buttons_of_a_process_tree_cover_no_box(book: Book) -> None:
    canvas = book.page.locator(".santa-canvas:visible")
    canvas.wait_for()
    button = book.page.locator(".santa-tools button:visible").last
    assert button.bounding_box()["y"] + button.bounding_box()["height"] <= canvas.bounding_box()["y"]


@pytest.mark.parametrize(("tab", "first", "chip"), [
    ("Files and errors", visible(ORDERS), f"file {ORDERS}"), ("Network", busy_node.PEER, f"peer {busy_node.PEER}")])
def test_a_click_on_a_file_or_a_peer_leaves_what_has_to_do_with_it(
    book: Book, tab: str, first: str, chip: str
) -> None:
    found = table(book, tab)
    settled(book, ".santa-table")
    found.get_by_text(first, exact=True).first.click()
    book.page.get_by_role("button", name="✕").wait_for()
    assert chips(book) == [chip]
    assert [row[0] for row in rows_when(book, "Who", "rows.length === 1")] == [SHOP]
    book.page.get_by_role("button", name="← Step back").click()
    book.page.get_by_role("button", name="✕").wait_for(state="detached")


def test_a_click_on_the_box_of_a_process_in_a_flame_graph_leaves_what_it_did(book: Book) -> None:
    page = book.page
    page.get_by_role("tab", name="Functions", exact=True).click()
    canvas = page.locator(".santa-flame-canvas:visible")
    canvas.wait_for()
    canvas.click(position={"x": 200, "y": 20 + 8})
    page.get_by_role("button", name="✕").wait_for()
    assert chips(book) == [f"process {visible(HOSTILE[0])} (pid 7001)"]
    assert [row[0] for row in rows_when(book, "Who", "rows.length === 1")] == [SHOP]
    page.get_by_role("button", name="← Step back").click()
    page.get_by_role("button", name="✕").wait_for(state="detached")


def test_a_click_on_a_frame_leaves_what_ran_through_it(book: Book) -> None:
    page = book.page
    page.get_by_role("tab", name="Functions", exact=True).click()
    canvas = page.locator(".santa-flame-canvas:visible")
    settled(book, ".santa-flame-canvas")
    canvas.click(position={"x": 200, "y": 20 * 3 + 8})  # all, thread, main, and the function that it called
    page.get_by_role("button", name="✕").wait_for()
    assert chips(book) == [f"frame {visible(HOSTILE[3])}"]
    assert [row[0] for row in rows_when(book, "Files and errors", "rows.length === 1")] == [ORDERS]


def test_a_finding_is_marked_and_stays(book: Book, busy: Path) -> None:
    page = book.page
    page.get_by_placeholder("What do you see").fill("<b>sort</b> takes it all <img src=x onerror=alert(1)>")
    page.get_by_placeholder("Your name").fill("Ada")
    page.get_by_role("button", name="Mark this view").click()
    page.get_by_text("<b>sort</b> takes it all").wait_for()
    kept = json.loads(busy.with_name("friday.investigation.json").read_text())
    assert kept["findings"][0]["author"] == "Ada"
    assert kept["findings"][0]["view"]["filters"][0]["value"] == visible(HOSTILE[3])


def test_a_window_is_compared_with(book: Book) -> None:
    page = book.page
    page.get_by_role("button", name="Compare with this window").click()
    page.get_by_role("button", name="Whole recording").click()
    page.get_by_role("tab", name="Functions", exact=True).click()
    page.get_by_text("more CPU time a second than before").wait_for()
    page.get_by_role("button", name="Compare no more").click()
    page.get_by_text("more CPU time a second than before").wait_for(state="detached")
    page.get_by_role("button", name="← Step back").click()


@pytest.mark.parametrize("tab", ["What happened", "Who", "Network", "Latency"])
def test_every_tab_has_something(book: Book, tab: str) -> None:
    book.page.get_by_role("tab", name=tab, exact=True).click()
    book.page.wait_for_function(
        "() => [...document.querySelectorAll('.santa-badge, .santa-table, .santa-canvas, .js-plotly-plot')]"
        ".filter((part) => part.checkVisibility()).length >= 2")
    assert "mistake in SantaBPF" not in book.page.inner_text("body")


def test_it_becomes_a_postmortem_of_just_this(book: Book, busy: Path) -> None:
    page = book.page
    page.get_by_role("button", name="Make this a postmortem").click()
    page.get_by_text("Written to").wait_for(timeout=120_000)
    made = (book.folder / "friday-postmortem.html").read_text()
    assert "A part of it failed" not in page.inner_text("body")
    assert "takes it all &lt;img src=x onerror=alert(1)&gt;" in made
    assert "<img src=x" not in made
    assert "frame new\\nline" in made
    assert str(Window(*looked_at(busy)["window"])) in made
    assert ">100<" in made  # reads of orders.db in this window


def test_nothing_left_the_machine_and_no_script_of_a_name_ran(book: Book) -> None:
    assert book.requests == []
    assert book.complaints == []


def picture_of_the_docs(lab: Lab) -> None:
    with lab.notebook("investigate.ipynb", {"width": 1180, "height": 1700}, recording=lab.bring("short_lived_jobs"),
                      recordings=str(lab.root / "recordings")) as opened:
        page = opened.page
        opened.run_all()
        page.locator(".santa-state").first.wait_for(timeout=60_000)
        page.keyboard.press("Control+b")  # the files at the side
        page.get_by_role("tab", name="Who", exact=True).click()
        page.locator(".santa-canvas:visible").wait_for()
        drag(opened, 0.34, 0.6)
        assert rows_when(opened, "Who", "+rows[0][4] < 100")  # of 135
        page.mouse.move(5, 5)
        page.locator(".santa-workbench").evaluate("bench => bench.scrollIntoView()")
        assert opened.screenshot("investigate").stat().st_size > 50_000


if os.environ.get("SANTABPF_IMAGES") == "1":  # it takes another notebook, and proves nothing that is not proved above
    test_the_picture_of_the_docs = picture_of_the_docs
