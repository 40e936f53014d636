"""A JupyterLab of our own and a page in it: open a notebook, run it, look at it. Reusable by all browser tests here.

    def test_it(lab: Lab) -> None:
        with lab.notebook("investigate.ipynb", recording=lab.bring("slow_fsync")) as book:
            book.run_all()
            book.page.get_by_text("...").click()
            book.screenshot("investigate")

Every request that leaves the machine, every complaint on the console and every dialogue is collected in
book.requests and book.complaints.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]
#: A tall page: JupyterLab takes cells out of it that are far from what is seen.
VIEW = {"width": 1360, "height": 2400}
#: What Chromium or JupyterLab say in every page, which is none of ours.
_NOISE = ("favicon", "ResizeObserver loop", "dbus", "preload", "responded with a status of 404")
#: Each code cell has run, and none runs or waits.
_DONE = """() => {
  const marks = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map((prompt) => prompt.textContent);
  return marks.length && marks.every((mark) => /\\[\\d+\\]/.test(mark)); }"""


@dataclass
class Book:
    """A notebook that is open in JupyterLab."""

    page: Any
    folder: Path  # it runs in
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def run_all(self, timeout_s: float = 60) -> None:
        """Run every cell, and wait until the last is done. Raises where one fails."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()
        self.idle(timeout_s)
        errors = self.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
        assert errors.count() == 0, errors.first.inner_text()

    def idle(self, timeout_s: float = 60) -> None:
        """Wait until no cell runs or waits, and each has run."""
        self.page.wait_for_function(_DONE, timeout=timeout_s * 1000)

    def drawn(self, count: int = 1, timeout_s: float = 30) -> None:
        """Wait until so many of our widgets have drawn something."""
        self.page.wait_for_function(
            "n => document.querySelectorAll('.santa[data-drawn]').length >= n", arg=count, timeout=timeout_s * 1000)

    def screenshot(self, name: str, of: Any = None) -> Path:
        """A picture, in a temporary folder, or in docs/images where SANTABPF_IMAGES=1 is set."""
        folder = IMAGES if os.environ.get("SANTABPF_IMAGES") == "1" else Path(os.environ["SANTABPF_TEST_IMAGES"])
        path = folder / f"{name}.png"
        (of or self.page).screenshot(path=path)
        return path


class Lab:
    """The server and the browser."""

    def __init__(self, url: str, root: Path, browser: Any) -> None:
        parts = urlsplit(url)
        self.base, self.token = f"{parts.scheme}://{parts.netloc}", parse_qs(parts.query)["token"][0]
        self.root, self.browser = root, browser

    def bring(self, name: str) -> str:
        """A copy of a bundled recording in the server's recordings/, so that nothing is written into the checkout."""
        copy = self.root / "recordings" / name
        if not copy.exists():
            shutil.copytree(ROOT / "recordings" / name, copy)
        return str(copy)

    @contextmanager
    def notebook(self, name: str, view: dict[str, int] | None = None, **parameters: Any) -> Iterator[Book]:
        """A copy of this notebook of ours, in a folder of its own and with these parameters, open in a fresh page."""
        folder = self.root / str(1 + sum(path.is_dir() and path.name.isdigit() for path in self.root.iterdir()))
        folder.mkdir()
        body = json.loads((ROOT / "notebooks" / name).read_text())
        for cell in body["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                given = "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
                cell["source"] = "".join(cell["source"]) + given
        (folder / name).write_text(json.dumps(body))
        context = self.browser.new_context(viewport=view or VIEW)
        page = context.new_page()
        book = Book(page, folder)
        own = (self.base, self.base.replace("http", "ws", 1), "data:", "blob:")
        page.on("request", lambda asked: None if asked.url.startswith(own) else book.requests.append(asked.url))
        page.on("console", lambda said: book.complaints.append(said.text)
                if said.type == "error" and not any(noise in said.text for noise in _NOISE) else None)
        page.on("pageerror", lambda error: book.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (book.complaints.append(dialog.message), dialog.accept()))
        page.goto(f"{self.base}/lab/tree/{folder.name}/{name}?reset&token={self.token}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        page.get_by_text("| Idle").wait_for(timeout=60_000)  # in the bar below; before, running asks for a kernel
        try:
            yield book
        finally:
            self._end_kernels(page)
            context.close()

    def _end_kernels(self, page: Any) -> None:
        """Each takes some 200 MB."""
        page.evaluate("""async ([base, token]) => {
            const headers = { Authorization: 'token ' + token };
            const running = await (await fetch(base + '/api/sessions', { headers })).json();
            await Promise.all(running.map((s) => fetch(base + '/api/sessions/' + s.id, { method: 'DELETE', headers })));
        }""", [self.base, self.token])


def chromium() -> str:
    """Where it is."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
