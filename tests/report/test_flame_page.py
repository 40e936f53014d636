"""A flame graph in a notebook becomes the same one in the report: its script once, at the page's end."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from books import NotebookMaker

import santabpf as sb
from santabpf.display.page import flame_script
from santabpf.recording import Recording
from santabpf.report import Report

CELL = """\
import pyarrow as pa
from santabpf.charts.flame_graph import flame, info
lists = pa.list_(pa.string())
flame(info(pa.table({"frames": pa.array([["main", "</script>"], ["main"]], lists), "value": pa.array([3, 1]),
                     "kinds": pa.array([["user", "user"], ["user"]], lists),
                     "modules": pa.array([["a", "a"], ["a"]], lists)}), unit="samples"))"""


@pytest.fixture(scope="module")
def flamed(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("flamed")
    return sb.report(recording, folder / "f.html", notebook=NotebookMaker(folder)(CELL, CELL))


def test_the_notebook_has_the_script_with_each_and_the_page_has_it_once(flamed: Report) -> None:
    cells = nbformat.read(flamed.notebook_path, as_version=4).cells
    outputs = [output.data["text/html"] for cell in cells for output in cell.get("outputs", ()) if "data" in output]
    assert [text.count(flame_script()) for text in outputs] == [1, 1]
    page = flamed.path.read_text()
    assert page.count("function santaFlames") == 1
    assert page.count("data-santa-flame=") == 2
    assert flamed.error is None


@pytest.mark.browser
def test_the_page_draws_them_offline(flamed: Report) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(Path(flamed.path).as_uri())
        page.locator(".santa-flame[data-drawn]").nth(1).wait_for()
        page.get_by_role("searchbox").first.fill("</script>")
        said = page.locator(".santa-said").first.inner_text()
        browser.close()
    assert said == "75 % of all matches, in 1 box"
    assert asked == [Path(flamed.path).as_uri()]
