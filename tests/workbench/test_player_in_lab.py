"""The player in JupyterLab: it plays, pauses, steps and scrubs; what has not come yet is covered."""

from __future__ import annotations

from typing import Any

import pytest
from in_lab import Book, Lab

pytestmark = pytest.mark.browser
#: What stands on the screen: the lights, how many lines there are, how wide the future is, and where the player is.
SHOWN = """(() => ({
  lights: [...document.querySelectorAll('.santa-light b')].map((b) => b.textContent),
  lines: document.querySelectorAll('.santa-lines li').length,
  covered: document.querySelector('.santa-covers > div')?.getBoundingClientRect().width,
  at: [...document.querySelectorAll('.santa-clock')].map((clock) => clock.textContent)[0]?.split('· ')[1] }))()"""


def until(book: Book, condition: str) -> dict[str, Any]:
    """Wait until this holds of what is `shown`; that."""
    try:
        book.page.wait_for_function(f"() => {{ const shown = {SHOWN}; return {condition}; }}", timeout=20_000)
    except Exception as exc:
        raise AssertionError(f"{condition}: {book.page.evaluate(SHOWN)}") from exc
    return dict(book.page.evaluate(SHOWN))


def scrub(book: Book, share: float) -> None:
    """Drag the slider's handle there; a bit further at the ends."""
    handle, track = (book.page.locator(f".santa-scrub .noUi-{part}").bounding_box() for part in ("handle", "base"))
    middle = handle["y"] + handle["height"] / 2
    book.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
    book.page.mouse.down()
    for part in (share / 2, share, 1.1 * share - 0.05):
        book.page.mouse.move(track["x"] + track["width"] * part, middle, steps=3)
    book.page.mouse.up()


def test_a_recording_is_played_paused_stepped_and_scrubbed(lab: Lab) -> None:
    with lab.notebook("investigate.ipynb", recording=lab.bring("crash_loop")) as book:
        book.run_all()
        page = book.page
        page.locator(".santa-state").first.wait_for(timeout=30_000)  # it was judged
        page.get_by_text("Play it as if it were live").click()
        first = until(book, "shown.covered > 600")
        assert first | {"covered": 0} == {"lights": ["clear"], "lines": 0, "covered": 0, "at": "0 s of 15 s"}
        button = page.locator(".santa-play")
        page.get_by_title("Speed").select_option("2×")
        button.click()
        playing = until(book, "shown.lines === 2")
        button.click()
        until(book, "document.querySelector('.santa-play[title=Play]')")
        book.screenshot("play", page.locator(".widget-vbox:has(.santa-play)").last)
        assert playing["lights"] == ["crit"]
        assert 0 < playing["covered"] < first["covered"]
        scrub(book, 0)
        until(book, "shown.at === '0 s of 15 s' && shown.lights[0] === 'clear' && shown.lines === 0")
        page.get_by_role("button", name="+10 s").click()
        until(book, "shown.at === '10 s of 15 s' && shown.lights[0] === 'crit' && shown.lines === 2")
        for _ in range(5):
            page.get_by_role("button", name="−1 s").click()
        until(book, "shown.at === '5 s of 15 s' && shown.lights[0] === 'warn' && shown.lines === 1")
        scrub(book, 1)
        until(book, "shown.at === '15 s of 15 s' && shown.lights[0] === 'crit' && shown.covered < 3")
        assert book.requests == []
        assert book.complaints == []
