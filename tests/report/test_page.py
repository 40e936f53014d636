"""The page in a real browser, with the network off: all charts drawn, all hostile text shown as text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import synthetic
from books import NotebookMaker

import santabpf as sb
from santabpf.display.escape import visible
from santabpf.recording import Recording
from santabpf.report import Report

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]
#: Pixels of each canvas that differ from its first one.
PAINTED = """[...document.querySelectorAll('canvas.santa-canvas')].map((c) => {
  const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
  return d.reduce((n, v) => n + (v !== d[0]), 0) / d.length; })"""


@dataclass
class Opened:
    """A page, and what it did when it was opened."""

    page: sync_api.Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def show(browser: sync_api.Browser, path: Path, **options: object) -> Opened:
    """Open the file with every other request refused and counted."""
    context = browser.new_context(offline=True, **{"viewport": {"width": 1200, "height": 900}, **options})
    opened = Opened(context.new_page())
    page = opened.page
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda said: opened.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-santa=ready]", timeout=60_000)
    page.wait_for_selector(".santa-lanes[data-drawn]")
    return opened


@pytest.fixture(scope="module")
def hostile_page(browser: sync_api.Browser, made_of_hostile: Report) -> Opened:
    return show(browser, made_of_hostile.path)


def test_every_chart_is_drawn_offline_without_a_complaint(hostile_page: Opened, made_of_hostile: Report) -> None:
    page = hostile_page.page
    assert page.locator(".santa-figure").count() == 2
    assert page.locator(".santa-figure .js-plotly-plot").count() == 2
    assert page.locator(".js-plotly-plot .scatterlayer .trace path.js-line").count() >= 5
    assert page.locator(".js-plotly-plot .heatmaplayer image").count() == 1
    assert [share > 0.05 for share in page.evaluate(PAINTED)] == [True]
    assert hostile_page.complaints == []
    assert hostile_page.requests == [made_of_hostile.path.as_uri()]


def test_hostile_text_is_shown_as_text(hostile_page: Opened) -> None:
    page = hostile_page.page
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    shown = page.inner_text("main")
    for text in synthetic.HOSTILE:
        assert visible(text) in shown, text
    assert page.locator("main a").count() == 0
    assert page.evaluate("document.querySelectorAll('script').length") == 6  # two figures, plotly twice, verdicts, ours
    assert "\u202e" not in shown


def test_no_button_uploads_anything(hostile_page: Opened) -> None:
    titles = hostile_page.page.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map((b) => (b.dataset.title || '').toLowerCase())")
    assert any("png" in title for title in titles)
    assert not any(word in title for title in titles for word in ("cloud", "share", "upload", "studio", "edit"))


def test_the_policy_stops_a_script_that_is_not_ours_and_any_connection(hostile_page: Opened) -> None:
    page = hostile_page.page
    before = len(hostile_page.complaints)
    page.evaluate("""() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
                     document.body.append(s); }""")
    assert page.evaluate("window.ran") is None
    assert page.evaluate("fetch('data:text/plain,x').then(() => 'sent', () => 'stopped')") == "stopped"
    del hostile_page.complaints[before:]  # that it complained is right


def test_the_lanes_tell_of_a_process_when_hovered_and_zoom_by_the_wheel(hostile_page: Opened) -> None:
    canvas = hostile_page.page.locator("canvas.santa-canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 400, "y": 34})
    tip = hostile_page.page.locator(".santa-tip")
    assert tip.inner_text().startswith("systemd\npid 1 ")
    before = canvas.evaluate("c => c.toDataURL()")
    canvas.click(position={"x": 400, "y": 100})
    hostile_page.page.mouse.wheel(0, -300)
    hostile_page.page.wait_for_function("b => document.querySelector('.santa-canvas').toDataURL() !== b", arg=before)


@pytest.mark.parametrize("options", [
    {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True},
    {"color_scheme": "dark"}, {"java_script_enabled": False}], ids=["phone", "dark", "no-script"])
def test_it_is_whole_elsewhere_too(browser: sync_api.Browser, made: Report, options: dict[str, object]) -> None:
    if options.get("java_script_enabled") is False:
        page = browser.new_context(offline=True, **options).new_page()
        page.goto(made.path.as_uri())
        assert "Short-lived jobs burn CPU" in page.locator("main").inner_text()
        assert page.locator(".santa-lanes img").count() == 1
        return
    opened = show(browser, made.path, **options)
    assert opened.page.locator(".js-plotly-plot").count() == 2
    assert opened.complaints == []
    wide = opened.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "nothing sticks out at the side"


def test_on_paper_it_is_dark_on_light(browser: sync_api.Browser, made: Report) -> None:
    opened = show(browser, made.path, color_scheme="dark")
    back = "getComputedStyle(document.querySelector('main')).backgroundColor"
    assert opened.page.evaluate(back) == "rgb(23, 29, 36)"
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate(back) == "rgb(255, 255, 255)"
    assert not opened.page.locator("nav").is_visible()


def test_the_link_to_a_failed_cell_leads_there(
    browser: sync_api.Browser, recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    made = sb.report(recording, tmp_path / "f.html", notebook=notebook("print('<b>fine</b>')", "1 / 0"))
    page = browser.new_context(offline=True).new_page()
    page.goto(made.path.as_uri())
    page.click(".failed a")
    assert page.url.endswith("#failed-cell")
    assert "ZeroDivisionError" in page.locator(":target").inner_text()
    assert "<b>fine</b>" in page.inner_text("main")
