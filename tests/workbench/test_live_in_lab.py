"""live.ipynb in JupyterLab, with real BPF: check, start, see values move, stop, keep or throw away, investigate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from in_lab import VIEW, Book, Lab
from own_sshd import Sshd

import santabpf as sb

#: The numbers on the tiles, and the last second of the clock of the verdicts.
TILES = "[...document.querySelectorAll('.santa-tile .santa-value')].map((value) => value.textContent)"
SCENARIOS = ["cpu_usage"]


def press(book: Book, words: str) -> None:
    book.page.locator(".jupyter-button:visible", has_text=words).first.click()


def told(book: Book, words: str) -> None:
    """Wait until the panel says so."""
    book.page.locator(".santa-message", has_text=words).wait_for(timeout=40_000)


def values_move(book: Book) -> None:
    """Wait until a second was judged, and then until each of elapsed time and rows has changed twice."""
    book.page.locator(".santa-tile").first.wait_for(timeout=60_000)
    for _ in range(2):
        seen = book.page.evaluate(TILES)
        book.page.wait_for_function(
            f"([elapsed, rows]) => {{ const now = {TILES}; return now[0] !== elapsed && now[1] !== rows; }}",
            arg=seen[:2], timeout=20_000)


@pytest.mark.browser
@pytest.mark.bpf
def test_this_machine_is_checked_recorded_and_investigated(lab: Lab) -> None:
    folder = lab.root / "live-here"
    with lab.notebook("live.ipynb", scenarios=SCENARIOS, recordings=str(folder)) as book:
        book.run_all()
        cut = "parts => parts.filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.innerText)"
        for width in (VIEW["width"], 900):
            book.page.set_viewport_size({**VIEW, "width": width})
            assert book.page.locator(".santa-picker label, .santa-picker span").evaluate_all(cut) == []
        book.screenshot("live-picker")
        book.page.set_viewport_size(VIEW)
        press(book, "Check")
        told(book, "local can be recorded.")
        press(book, "Start")
        values_move(book)
        book.page.locator(".santa-chart path.js-line").first.wait_for()
        book.page.locator(".santa-table", has_text="All CPUs are busy").wait_for(timeout=20_000)
        book.screenshot("live", book.page.locator(".widget-vbox").first)
        press(book, "Stop")
        told(book, "Recorded")
        book.page.get_by_placeholder("its name").fill("monday")
        press(book, "Keep")
        told(book, f"Kept in {folder / 'monday'}.")
        press(book, "Investigate")
        overview = book.page.get_by_text("Overview", exact=True)
        overview.wait_for(timeout=30_000)
        below = overview.bounding_box()["y"] - book.page.get_by_placeholder("its name").bounding_box()["y"]
        assert 0 < below < 300  # it stands in place of how it ran
        book.screenshot("live-investigated")
        press(book, "Back to how it ran")
        overview.wait_for(state="detached")
        book.page.locator(".santa-tile").first.wait_for()
        assert (book.requests, book.complaints) == ([], [])
    assert sb.open(folder / "monday").state == "complete"


@pytest.mark.browser
@pytest.mark.bpf
@pytest.mark.ssh
def test_a_node_over_ssh_is_watched_lost_and_thrown_away(lab: Lab, make_sshd: Callable[..., Sshd]) -> None:
    sshd, folder = make_sshd(), lab.root / "live-there"
    given = {"node": sshd.node, "scenarios": SCENARIOS, "recordings": str(folder), "ssh_config": str(sshd.config)}
    with lab.notebook("live.ipynb", duration=None, **given) as book:
        book.run_all()
        press(book, "Start")
        values_move(book)
        sshd.end_sessions()
        told(book, "node-1: the SSH connection broke")
        press(book, "Throw away")
        told(book, "Thrown away")
        press(book, "Start")
        sshd.close()
        book.page.wait_for_function("""() => { const said = document.querySelector('.santa-message').textContent;
            return said.includes('node-1') && !said.startsWith('Starting'); }""", timeout=40_000)
        assert "Traceback" not in book.page.locator(".santa-workbench, .widget-vbox").first.inner_text()
        assert (book.requests, book.complaints) == ([], [])
    assert list(folder.iterdir()) == []
