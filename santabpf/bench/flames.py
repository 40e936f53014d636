"""A flame graph of 20,000 frames in a real browser: how long until it stands there, and how long to draw it again."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import pyarrow as pa

from ..charts.flame_graph import flame, info
from ..display.page import page_resources
from ..errors import SantaError
from .figures import Family, Figure, Goal, Spread

HIGH, WIDE = 29, 690
DRAWN = Goal(0.2)
PLANNED = [Figure(what, "s", None, DRAWN) for what in ("unpacked, laid out and drawn", "drawn again")]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
_FACTS = "({...document.querySelector('.santa-flame').dataset})"


def measure(folder: Path, rounds: int) -> Family:
    """Towers of frames that are all wide enough to be drawn; each round in a fresh page."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SantaError("there is no Chromium: apt-get install chromium")
    try:
        playwright = import_module("playwright.sync_api").sync_playwright()
    except ImportError as exc:
        raise SantaError("there is no playwright: pip install playwright") from exc
    page, size = _page(folder), 1 + WIDE * HIGH
    ready, drawn = [], []
    with playwright as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(rounds):
            tab = browser.new_page(viewport={"width": 1200, "height": 900})
            tab.goto(page.as_uri())
            tab.wait_for_selector(".santa-flame[data-ready-ms]")
            facts = tab.evaluate(_FACTS)
            if int(facts["drawn"]) != size:
                raise SantaError(f"{facts['drawn']} of {size} frames were drawn")
            ready.append(float(facts["readyMs"]) / 1000)
            tab.evaluate("document.querySelector('.santa-flame').dataset.drawMs = ''")
            tab.get_by_role("button", name="Flip").click()
            tab.wait_for_selector(".santa-flame:not([data-draw-ms=''])")
            drawn.append(float(tab.evaluate(_FACTS)["drawMs"]) / 1000)
            tab.close()
        browser.close()
    return Family(
        "A flame graph",
        f"{size:,} frames, all of them wide enough to be drawn, in headless Chromium without a GPU, 1,200 points wide.",
        [Figure("unpacked, laid out and drawn", "s", Spread.of(ready), DRAWN),
         Figure("drawn again", "s", Spread.of(drawn), DRAWN)],
    )


def _page(folder: Path) -> Path:
    towers = pa.table({
        "frames": [[f"function_{at}_{level}" for level in range(HIGH)] for at in range(WIDE)],
        "kinds": [[("user", "kernel", "jit")[(at + level) % 3] for level in range(HIGH)] for at in range(WIDE)],
        "modules": [["a.so"] * HIGH] * WIDE, "value": [1] * WIDE,
    })
    parts = page_resources("")
    path = folder / "flame.html"
    path.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><style>{parts["santa_style"]}</style>'
        f'{flame(info(towers, unit="samples")).html()}<script>{parts["santa_script"]}</script>', encoding="utf-8")
    return path
