"""A flame graph: its bundle, and what it does in a real browser under the report's own policy, with the network off."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import made_stacks as made
import pytest

from santabpf.charts.flame_files import collapsed, speedscope
from santabpf.charts.flame_graph import difference, flame, info
from santabpf.display import Flame, Note, Words
from santabpf.display.escape import visible
from santabpf.display.page import page_resources

sync_api = pytest.importorskip("playwright.sync_api")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]
ROW = 20
RED = "() => document.querySelector('canvas').getContext('2d').getImageData(9, 63, 1, 1).data[0]"
SHARP = "() => document.querySelector('canvas').width === 2 * document.querySelector('canvas').clientWidth"
#: The middle of the first box of this depth that stands at this share of the width.
SPOT = "(c, [share, depth]) => ({x: c.clientWidth * share, y: depth * 20 + 11})"


def small() -> Flame:
    return flame(info(made.table(made.ROWS), sample_ns=20_000_000), note="a <note>")


def test_a_flame_holds_its_frames_packed_once() -> None:
    page = small().html()
    payload = json.loads(gzip.decompress(base64.b64decode(page.split('data-santa-flame="')[1].split('"')[0])))
    assert payload["d"] == [0, 1, 2, 3, 4, 3, 4, 3, 4, 2, 3]
    assert payload["v"] == [0, 0, 10, 30, 20, 0, 23, 0, 10, 0, 7]
    assert payload["b"] is None
    assert payload["texts"].count("sort") == 1
    assert page == small().html()  # the same stacks, the same bytes
    assert "a &lt;note&gt;" in page


def test_a_flame_without_stacks_is_a_sentence() -> None:
    empty = flame(info(made.table([], "ns")))
    assert "nothing is known of where the waiting time went" in empty.html()
    assert "data-santa-flame" not in empty.html()
    assert "<svg" in empty.still()


def test_the_still_picture_shows_the_widest_by_name() -> None:
    still = small().still()
    assert still.count("<rect") == 11
    assert ">ksys_read</text>" in still
    assert base64.b64encode(still.encode()).decode() in small().html()


def test_hostile_names_stand_nowhere_in_the_html_as_markup() -> None:
    made_of_it = flame(info(made.hostile()))
    outside = made_of_it.html().split('data-santa-flame="')[1].split('"', 1)[1]
    for text in (outside, made_of_it.still()):
        assert "<script" not in text
        assert "<img src=x" not in text
        assert not set(text) & {"\x1b", "\u202e", "\x07"}
    assert max(map(len, made_of_it.payload()["texts"])) == 1000


def test_of_whom_and_when_it_is_stands_above_it() -> None:
    told = flame(info(made.table(made.ROWS)), lead="The shop, <12:00> to 12:01.")
    assert told.html().index("The shop, &lt;12:00&gt; to 12:01.") < told.html().index("How to read it")
    assert repr(told) == "[chart: flame graph of CPU time, 10 frames] The shop, <12:00> to 12:01."


def test_a_notebook_gets_style_and_script_with_it() -> None:
    bundle = small()._repr_mimebundle_()
    assert bundle["text/plain"] == "[chart: flame graph of CPU time, 10 frames] a <note>"
    assert "function santaFlames" in bundle["text/html"]
    assert "function santaUnpack" in bundle["text/html"]
    assert bundle["text/html"].startswith("<style>")


def test_among_words_it_brings_its_script_once() -> None:
    bundle = Words(Note("Two of them."), small(), small())._repr_mimebundle_()
    assert bundle["text/html"].count("function santaFlames") == 1
    assert bundle["text/html"].count("data-santa-flame=") == 2
    assert bundle["text/plain"].count("[chart: flame graph of CPU time, 10 frames]") == 2
    assert "<note>" not in bundle["text/markdown"]


def as_page(*flames: Flame) -> str:
    """A page with the report's own policy, style and script."""
    parts = page_resources("")
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{parts["santa_policy"]}"><link rel="icon" href="data:,"><style>{parts["santa_style"]}</style></head>'
        f'<body><main>{"".join(f.html() for f in flames)}</main><script>{parts["santa_script"]}</script></body></html>'
    )


@dataclass
class Opened:
    """A page with a flame graph, and what it did."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, str]:
        """What the drawing says of itself."""
        return dict(self.page.evaluate("({...document.querySelector('.santa-flame').dataset})"))

    def spot(self, share: float, depth: int) -> dict[str, float]:
        """A place on the canvas."""
        return dict(self.page.locator("canvas").evaluate(SPOT, [share, depth]))

    def settled(self, at: int) -> None:
        """Waits until it is zoomed to this frame."""
        self.page.wait_for_selector(f'.santa-flame[data-settled="{at}"]')

    def colour(self, share: float, depth: int) -> tuple[int, ...]:
        """Of a pixel near the upper edge of a box, where there is no letter."""
        where = self.spot(share, depth) | {"y": depth * ROW + 3}
        return tuple(self.page.locator("canvas").evaluate(
            "(c, p) => [...c.getContext('2d').getImageData(p.x * devicePixelRatio, p.y * devicePixelRatio, 1, 1).data]",
            where))[:3]

    def saved(self, button: str) -> str:
        """What this button saves."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=button).click()
        return Path(download.value.path()).read_text()


Show = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Show]:
    """Opens flames in a fresh page; what they ask for, or complain of, fails the test at its end."""
    all_opened = []

    def opening(*flames: Flame, **options: Any) -> Opened:
        place = tmp_path / "flames.html"
        place.write_text(as_page(*flames), encoding="utf-8")
        context = browser.new_context(offline=True, **{"viewport": {"width": 1200, "height": 900}, **options})
        opened = Opened(context.new_page())
        all_opened.append((context, opened, place))
        page = opened.page
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("console", lambda said: opened.complaints.append(said.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
        page.goto(place.as_uri())
        for nth in range(len(flames)):
            page.locator(".santa-flame").nth(nth).and_(page.locator("[data-settled]")).wait_for()
        return opened

    yield opening
    for context, opened, place in all_opened:
        assert [said for said in opened.complaints if "readback" not in said] == []  # it is the tests that read back
        assert [url for url in opened.requests if not url.startswith("blob:")] == [place.as_uri()]
        context.close()


@pytest.mark.browser
def test_twenty_thousand_frames_are_all_drawn(show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    opened = show(flame(info(made.towers(690, 29))))
    facts = opened.facts()
    assert int(facts["drawn"]) == 690 * 29 + 1 == 20_011
    assert int(facts["narrow"]) == 0
    painted = opened.page.locator("canvas").evaluate("""c => {
      const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
      return new Set(d).size > 10 && d.reduce((n, v) => n + (v !== 0xffffffff), 0) / d.length; }""")
    assert painted > 0.8
    with capsys.disabled():
        print(f" [20,011 frames there after {facts['readyMs']} ms, drawn in {facts['drawMs']} ms]", end="")


@pytest.mark.browser
def test_boxes_that_are_too_narrow_are_counted_and_not_lost(show: Show) -> None:
    opened = show(flame(info(made.towers(5_000, 4))))
    facts = opened.facts()
    assert int(facts["drawn"]) == 1
    assert int(facts["narrow"]) == 20_000
    opened.page.locator("canvas").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):  # all, then the first below it
        opened.page.keyboard.press(key)
    opened.settled(1)
    assert int(opened.facts()["drawn"]) == 5


@pytest.mark.browser
def test_a_click_zooms_in_and_escape_leads_back(show: Show) -> None:
    opened = show(small())
    page = opened.page
    assert page.get_by_role("button", name="Show all").is_disabled()
    page.locator("canvas").click(position=opened.spot(0.6, 3))  # do_syscall_64: from 50 to 73 of 100
    opened.settled(5)
    assert "Zoomed to do_syscall_64: 23 % of all" in page.inner_text(".santa-said")
    assert int(opened.facts()["drawn"]) == 5  # all, shop, main, do_syscall_64, ksys_read
    assert opened.colour(0.99, 4) == opened.colour(0.02, 4)  # it is as wide as the picture now
    page.keyboard.press("Escape")
    opened.settled(0)
    assert int(opened.facts()["drawn"]) == 11
    page.locator("canvas").click(position=opened.spot(0.6, 3))
    opened.settled(5)
    page.get_by_role("button", name="Show all").click()
    opened.settled(0)


@pytest.mark.browser
def test_who_wants_no_motion_gets_none(show: Show) -> None:
    opened = show(small(), reduced_motion="reduce")
    opened.page.locator("canvas").evaluate(
        "c => c.dispatchEvent(new PointerEvent('click', {bubbles: true, clientX: 700, clientY: "
        "c.getBoundingClientRect().top + 70}))")
    assert opened.facts()["settled"] == "5"


@pytest.mark.browser
def test_the_tooltip_says_name_file_value_and_shares(show: Show) -> None:
    opened = show(small())
    opened.page.locator("canvas").hover(position=opened.spot(0.1, 4))
    assert opened.page.inner_text(".santa-tip").split("\n") == [
        "hash", "in /lib/libc.so.6", "20 % of all CPU time: 20 samples, about 400 ms", "40 % of its caller, sort",
        "all of it in itself", "Programs: code of programs and their libraries"]
    opened.page.locator("canvas").hover(position=opened.spot(0.4, 3))
    text = opened.page.inner_text(".santa-tip")
    assert "50 % of all CPU time: 50 samples, about 1 s" in text
    assert "30 % in itself: 30 samples, about 600 ms" in text
    opened.page.mouse.move(5, 5)
    assert not opened.page.locator(".santa-tip").is_visible()


@pytest.mark.browser
def test_a_cut_stack_says_that_it_is_cut_and_why(show: Show) -> None:
    opened = show(small())
    for depth in (2, 3):  # the cut itself, and what stands below it
        opened.page.locator("canvas").hover(position=opened.spot(0.96, depth))
        assert opened.page.inner_text(".santa-tip .santa-cut") == "This stack is cut: no frame pointers"
    opened.page.locator("canvas").hover(position=opened.spot(0.1, 3))
    assert opened.page.locator(".santa-tip .santa-cut").count() == 0


@pytest.mark.browser
def test_waiting_time_is_told_in_units_of_time(show: Show) -> None:
    opened = show(flame(info(made.table([([made.MAIN, made.READ], 1_234_567_890), ([made.MAIN], 90_000)], "ns"))))
    assert "waiting time" in opened.page.inner_text("main p")
    opened.page.locator("canvas").hover(position=opened.spot(0.5, 2))
    assert "100 % of all waiting time: 1.23 s" in opened.page.inner_text(".santa-tip")


@pytest.mark.browser
def test_a_search_marks_what_it_finds_and_says_its_share(show: Show) -> None:
    opened = show(small())
    page, search = opened.page, opened.page.get_by_role("searchbox")
    before = opened.colour(0.3, 3)
    search.fill("SORT")
    # sort is 50 by itself and 10 below the JIT; hash stands below sort and is not counted twice
    assert page.inner_text(".santa-said") == "60 % of all matches, in 2 boxes"
    page.wait_for_function(f"{RED} === 194")
    assert opened.colour(0.3, 3) == opened.colour(0.78, 4) == (194, 24, 143)
    assert opened.colour(0.6, 3) != opened.colour(0.3, 3)
    search.fill("libc.so")
    assert page.inner_text(".santa-said") == "20 % of all matches, in 1 box"
    search.fill("nowhere")
    assert page.inner_text(".santa-said") == "Nothing matches"
    search.press("Escape")
    page.wait_for_function(f"{RED} !== 194")
    assert opened.colour(0.3, 3) == before
    search.fill("read")
    search.press("Enter")
    assert page.inner_text(".santa-heard").startswith("ksys_read, 23 % of all CPU time")


@pytest.mark.browser
def test_everything_is_reached_by_keys_and_told_to_a_screen_reader(show: Show) -> None:
    opened = show(small())
    page = opened.page
    for _ in range(5):  # search, Flip, two files; Show all cannot be pressed yet
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    heard = page.locator(".santa-heard")
    said = []
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
        said.append(heard.inner_text().split(",")[0])
    assert said == ["all", "shop [pid 7]", "main", "sort", "do_syscall_64", "main", "main"]
    page.keyboard.press("Enter")
    opened.settled(2)
    page.keyboard.press("ArrowUp")  # above what is zoomed to
    opened.settled(1)
    page.keyboard.press("Escape")
    opened.settled(0)
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


@pytest.mark.browser
def test_it_can_stand_on_its_foot(show: Show) -> None:
    opened = show(small())
    page = opened.page
    assert "stands below the one that called it" in page.inner_text("main p")
    page.get_by_role("button", name="Flip").click()
    assert "stands above the one that called it" in page.inner_text("main p")
    page.locator("canvas").hover(position=opened.spot(0.3, 1))  # five rows: sort is now the second from the top
    assert page.inner_text(".santa-tip").startswith("sort\n")


@pytest.mark.browser
def test_a_deep_stack_scrolls_to_its_end(show: Show) -> None:
    opened = show(flame(info(made.towers(2, 90))))
    page = opened.page
    assert page.locator("canvas").evaluate("c => c.clientHeight") < 700
    page.locator(".santa-flame-scroll").evaluate("s => { s.scrollTop = s.scrollHeight; }")
    page.locator("canvas").hover(position={"x": 30, "y": 670})
    assert page.inner_text(".santa-tip").startswith("f00000_89\n")


@pytest.mark.browser
def test_the_buttons_save_what_the_functions_return(show: Show) -> None:
    table = made.table(made.made_up(4))
    opened = show(flame(info(table)))
    assert opened.saved("Collapsed stacks") == collapsed(table)
    assert json.loads(opened.saved("speedscope")) == speedscope(table)


@pytest.mark.browser
def test_two_recordings_are_saved_with_both_values_and_told_apart_by_colour(show: Show) -> None:
    before = made.table([([made.MAIN, made.SORT], 60), ([made.MAIN, made.HASH], 40)])
    after = made.table([([made.MAIN, made.SORT], 90), ([made.MAIN, made.HASH], 10)])
    opened = show(flame(difference(before, after)))
    assert opened.saved("Collapsed stacks") == collapsed(after, before=before)
    assert json.loads(opened.saved("speedscope")) == speedscope(after, before=before)
    red, blue, same = opened.colour(0.3, 2), opened.colour(0.9, 2), opened.colour(0.5, 1)
    assert red[0] > red[2] + 80
    assert blue[2] > blue[0] + 80
    assert max(same) - min(same) < 10
    opened.page.locator("canvas").hover(position=opened.spot(0.3, 2))
    assert opened.page.inner_text(".santa-tip").split("\n")[2:5] == [
        "before: 60 % (60 samples)", "after: 90 % (90 samples)", "+30.0 percentage points"]
    assert "larger share than before" in opened.page.inner_text(".santa-legend")


@pytest.mark.browser
def test_hostile_names_are_shown_as_text_and_saved_as_lines(show: Show) -> None:
    opened = show(flame(info(made.hostile())))
    page = opened.page
    page.locator("canvas").focus()
    seen = set()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    for _ in made.HOSTILE:
        seen.add(page.locator(".santa-tip b").inner_text())
        page.keyboard.press("ArrowRight")
    wanted = {(visible(name.encode(errors="backslashreplace").decode()) or "(no name)") for name in made.HOSTILE}
    cut = {name if len(name) <= 1000 else name[:999] + "…" for name in wanted}
    assert seen == cut
    box = page.locator(".santa-tip").bounding_box()
    assert box["height"] < 400
    assert page.evaluate("window.ran") is None
    assert page.locator("main img, main a, main script").count() == 0
    lines = opened.saved("Collapsed stacks").splitlines()
    assert len(lines) == len(made.HOSTILE)
    assert all(line.endswith(" 10") and line.isprintable() and line.count(";") == 1 for line in lines)


@pytest.mark.browser
def test_the_legend_names_each_kind_with_its_colour_and_share(show: Show) -> None:
    opened = show(small())
    legend = [" ".join(text.split()) for text in opened.page.locator(".santa-key").all_inner_texts()]
    assert legend == ["Programs 70 %", "Just-in-time code", "Linux kernel 23 %", "No name found 7.0 %",
                      "Process or thread", "Stack is cut 7.0 %"]
    kinds = [opened.colour(*at) for at in ((0.2, 2), (0.6, 3), (0.78, 3), (0.96, 3), (0.2, 1))]
    assert len(set(kinds)) == 5


@pytest.mark.browser
def test_it_follows_the_window_the_theme_and_the_density_of_pixels(show: Show) -> None:
    opened = show(small(), device_scale_factor=2)
    page, canvas = opened.page, opened.page.locator("canvas")
    size = "c => [c.width / c.clientWidth, c.height / c.clientHeight]"
    assert canvas.evaluate(size) == [2, 2]
    page.set_viewport_size({"width": 600, "height": 700})
    page.wait_for_function(SHARP)
    assert canvas.evaluate("c => c.clientWidth") < 600
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    light = opened.colour(0.2, 2)
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector(".santa-flame[data-dark=true]")
    assert sum(opened.colour(0.2, 2)) < sum(light) - 100
    page.emulate_media(color_scheme="light")
    page.wait_for_selector(".santa-flame[data-dark=false]")
    assert opened.colour(0.2, 2) == light


@pytest.mark.browser
def test_two_of_them_on_a_page_do_not_meet(show: Show) -> None:
    opened = show(small(), flame(info(made.table([([made.READ], 1)]))))
    opened.page.get_by_role("searchbox").first.fill("read")
    said = opened.page.locator(".santa-said").all_inner_texts()
    assert said == ["23 % of all matches, in 1 box", "1 sample in all · click a box to zoom in, search for a name"]


@pytest.mark.browser
def test_where_a_click_is_heard_it_does_not_say_what_a_click_does(show: Show) -> None:
    opened = show(small())
    opened.page.evaluate("""async (drawing) => {
        const place = document.body.appendChild(document.createElement("div"));
        place.dataset.santaHeard = "true";
        place.innerHTML = drawing;
        santaFlames(place); }""", small().html())
    opened.page.wait_for_function(
        "[...document.querySelectorAll('.santa-said')].filter((one) => one.innerText).length === 2")
    alone, heard = opened.page.locator(".santa-said").all_inner_texts()
    assert "click a box to zoom in" in alone
    assert heard == alone.replace("click a box to zoom in, ", "")


def test_a_live_one_is_heard_as_soon_as_somebody_asks_what_is_clicked() -> None:
    from santabpf.workbench import FlameGraph

    live = FlameGraph(small())
    assert not live.heard
    live.on_click(lambda said: None)
    assert live.heard
