"""A folder of reports and its index: made from the reports themselves, always whole, harmless, usable as files."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import synthetic

import santabpf as sb
from santabpf.display.escape import visible
from santabpf.errors import BadUsage
from santabpf.report import rebuild, unreported
from santabpf.report.facts import Facts, facts_in_page
from santabpf.report.index import entries, name_for

ROOT = Path(__file__).parents[2]
S = synthetic.S


def page_of(**facts: object) -> str:
    """A report's page, as far as an index looks at it."""
    about = Facts(**{
        "recordings": ("friday",), "nodes": ("web-1",), "from_ns": synthetic.START, "to_ns": synthetic.START + 30 * S,
        "state": "fired", "title": "Short-lived jobs", "sentence": "Cron did it.", "fired": ("short_lived_jobs",),
        "scenarios": ("cpu_usage", "short_lived_jobs"), **facts})  # type: ignore[arg-type]
    return f'<html><head>\n<meta content="{about.packed()}" name="santabpf-report"/>\n</head></html>'


def tag(content: bytes) -> str:
    return f'<meta content="{base64.b64encode(content).decode()}" name="santabpf-report"/>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three reports: an old one that fired, a newer quiet one of another node, the newest with hostile names."""
    room = tmp_path / "reports"
    room.mkdir()
    day = 86_400 * S
    (room / "old.html").write_text(page_of())
    (room / "calm.html").write_text(page_of(nodes=("db-1",), state="quiet", fired=(), recordings=("saturday",),
                                            from_ns=synthetic.START + day, to_ns=synthetic.START + day + 30 * S))
    hostile = tuple(synthetic.HOSTILE)
    (room / "a'b\"<c> #1%.html").write_text(page_of(
        recordings=hostile, nodes=hostile, title=" ".join(hostile), sentence=" ".join(hostile), state="cannot_tell",
        fired=hostile, scenarios=hostile, from_ns=synthetic.START + 2 * day, to_ns=synthetic.START + 2 * day + S))
    (room / "a'b\"<c> #1%.pdf").write_text("%PDF-")
    (room / "notes.html").write_text("<p>no report")
    (room / "broken.html").write_text(tag(b'{"state": 1}'))
    return room


def test_newest_first_and_only_reports(folder: Path) -> None:
    assert [entry.file for entry in entries(folder)] == ["a'b\"<c> #1%.html", "calm.html", "old.html"]
    assert entries(folder)[0].also == ("a'b\"<c> #1%.pdf",)


def test_one_that_is_deleted_is_gone_when_it_is_made_anew(folder: Path) -> None:
    assert "old.html" in rebuild(folder).read_text()
    before = (folder / "index.html").read_text()
    assert rebuild(folder).read_text() == before
    (folder / "old.html").unlink()
    assert "old.html" not in rebuild(folder).read_text()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("content", [
    "", tag(b"[]"), tag(b"{"), tag(b'{"recordings": []}'), tag(b"\xff"), tag(b"{}")[:30], page_of(from_ns=-1),
    page_of(to_ns="x"), page_of(state="<b>"), page_of(nodes=(3,)), page_of(title=None)])
def test_a_page_with_broken_facts_is_no_report(content: str) -> None:
    assert facts_in_page(content) is None


def test_an_index_of_somebody_else_is_left_alone(folder: Path) -> None:
    (folder / "index.html").write_text("<h1>my home page</h1>")
    with pytest.raises(BadUsage, match="no index of reports"):
        rebuild(folder)
    assert (folder / "index.html").read_text() == "<h1>my home page</h1>"
    with pytest.raises(BadUsage, match="no such folder"):
        rebuild(folder / "nowhere")


def test_whoever_is_last_lists_them_all(folder: Path) -> None:
    def add(number: int) -> None:
        (folder / f"more-{number}.html").write_text(page_of())
        rebuild(folder)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = (folder / "index.html").read_text()
    assert all(f"more-{number}.html" in text for number in range(8))


def test_a_report_gathers_with_its_facts_and_is_made_once(made_into: Path, recordings: Path) -> None:
    (entry,) = entries(made_into)
    assert entry.file == f"{name_for([sb.open(recordings / 'idle')])}.html"
    assert entry.file.endswith("-idle.html")
    assert entry.facts.recordings == ("idle",)
    assert entry.facts.state == "quiet"
    assert entry.file in (made_into / "index.html").read_text()
    assert entry.facts.fired == ()
    (left,) = unreported(recordings, made_into)
    assert "broken" in str(left)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording, a broken one, and something else."""
    room = tmp_path_factory.mktemp("recordings")
    shutil.copytree(ROOT / "recordings" / "quiet_idle", room / "idle")
    (room / "broken").mkdir()
    (room / "broken" / "recording.json").write_text("{")
    (room / "else").mkdir()
    return room


@pytest.fixture(scope="module")
def made_into(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `santabpf report --new` put the reports of those."""
    room = tmp_path_factory.mktemp("reports") / "new"
    argv = ["report", "--new", str(recordings), "--into", str(room), "--json", "-s", "short_lived_jobs"]
    done = santabpf(*argv)
    assert done.returncode == 1, "one is broken"
    assert "broken" in done.stderr
    assert [bool(one["report"]) for one in json.loads(done.stdout)["reports"]] == [False, True]
    again = santabpf(*argv)
    assert [one["report"] for one in json.loads(again.stdout)["reports"]] == [None]
    return room


def santabpf(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "santabpf", *argv], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize(("argv", "why"), [
    (["report", "--new", "x"], "--into"), (["report", "x", "--into", "y", "-o", "z.html"], "exclude each other"),
    (["report", "x", "--format", "html,doc"], "'doc' is none of"), (["index", "nowhere"], "no such folder"),
    (["report", "--new", "nowhere", "--into", "y"], "no such folder")])
def test_bad_usage_is_one_sentence(argv: list[str], why: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "santabpf", *argv], capture_output=True, text=True, cwd=tmp_path,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def browse() -> Iterator[Callable[..., object]]:
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        yield browser.new_context
        browser.close()


@pytest.mark.browser
def test_it_is_searched_and_filtered_as_a_plain_file_and_hostile_names_are_text(
    folder: Path, browse: Callable[..., object]
) -> None:
    page = browse(offline=True, viewport={"width": 1280, "height": 800}).new_page()  # type: ignore[attr-defined]
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    index = rebuild(folder).as_uri()
    page.goto(index)
    page.wait_for_selector("html[data-santa=ready]")
    rows = page.locator("tbody tr:visible")
    shown = page.inner_text("main")
    assert all(visible(text) in shown for text in synthetic.HOSTILE)
    assert page.locator("main img, main script, td a:not([href*=html]):not([href*=pdf])").count() == 0
    said = page.locator("#count")
    page.select_option("#node", "db-1")
    assert (rows.count(), said.inner_text()) == (1, "1 of 3 reports")
    page.reload()
    assert rows.count() == 1, "the address keeps the filters"
    page.select_option("#node", "")
    page.select_option("#node", visible(synthetic.HOSTILE[0]))
    assert rows.count() == 1
    page.select_option("#node", "")
    page.select_option("#scenario", "short_lived_jobs")
    assert rows.count() == 2
    page.select_option("#state", "fired")
    assert rows.count() == 1
    page.fill("#words", "nobody")
    assert page.locator("#none").is_visible()
    page.click("#reset")
    assert rows.count() == 3
    page.fill("#from", "2026-05-02")
    page.fill("#to", "2026-05-02")
    assert (rows.count(), rows.first.locator(".name").inner_text()) == (1, "saturday")
    page.click("#count")
    page.fill("#from", "")
    page.fill("#to", "")
    rows.first.locator(".when a").click()
    assert page.url.endswith("%23%31%25.html") or page.url.endswith("%231%25.html")
    assert complaints == []
    assert all(url.startswith("file://") for url in asked)


@pytest.mark.browser
def test_nothing_sticks_out_on_a_desk_or_a_phone(tmp_path: Path, browse: Callable[..., object]) -> None:
    """With SANTABPF_IMAGES=1 the picture in docs/images is taken anew."""
    told = [
        ("web-1", "fired", "Connections wait to be accepted", "36 connections to 127.0.0.1:18080 waited for 1.82 s on "
         "average until they were accepted, 2.1 s at worst; the network had made them at once.", "accept_queue"),
        ("db-1", "quiet", "", "", "cpu_usage"),
        ("web-2", "cannot_tell", "Packets are lost", "Too few seconds were watched: 4 of 30.", "tcp_loss"),
        ("billing", "fired", "A service fails and is started again, over and over", "billing-service failed 25 times "
         "in 8.04 s (182 times a minute), and was started again each time.", "crash_loop"),
    ]
    for day, (node, state, title, sentence, scenario) in enumerate(told):
        name = f"{node}-2026050{4 - day}-060000"
        (tmp_path / f"{name}.html").write_text(page_of(
            nodes=(node,), recordings=(name,), state=state, title=title, sentence=sentence, scenarios=(scenario,),
            fired=(scenario,) if state == "fired" else (), from_ns=synthetic.START + (3 - day) * 86_400 * S,
            to_ns=synthetic.START + (3 - day) * 86_400 * S + 60 * S))
    (tmp_path / "web-1-20260504-060000.md").touch()
    for width, height in ((1180, 540), (390, 844)):
        page = browse(offline=True, viewport={"width": width, "height": height}).new_page()  # type: ignore[attr-defined]
        page.goto(rebuild(tmp_path).as_uri())
        page.wait_for_selector("html[data-santa=ready]")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        if width > 1000 and os.environ.get("SANTABPF_IMAGES") == "1":
            page.screenshot(path=ROOT / "docs" / "images" / "reports.png")
