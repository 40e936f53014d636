"""A report's page -> PDF, as Chromium prints it.

In: the page as text. Out: the PDF's bytes. Never: a network (the page's own policy forbids it), the user's profile.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..errors import ReportFailed

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: The page draws its charts within this much of its own time; it does not wait when they are there sooner.
_BUDGET_MS, _LIMIT_S = 20_000, 180
_FLAGS = ("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
          "--disable-background-networking", "--disable-component-update", "--no-pdf-header-footer")


def to_pdf(page: str) -> bytes:
    """The page, printed. Raises ReportFailed where there is no Chromium, or where it gives no PDF."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ReportFailed("a PDF is printed by Chromium, which is not here; Debian, Ubuntu: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="santabpf-print-") as private:
        source, printed = Path(private) / "page.html", Path(private) / "page.pdf"
        source.write_text(page, encoding="utf-8")
        argv = [browser, *_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else []),
                f"--user-data-dir={private}/profile",
                f"--virtual-time-budget={_BUDGET_MS}", f"--print-to-pdf={printed}", source.as_uri()]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S,
                                  env={**os.environ, "HOME": private})
        except subprocess.TimeoutExpired as exc:
            raise ReportFailed(f"{browser} printed no PDF within {_LIMIT_S} s") from exc
        content = printed.read_bytes() if printed.is_file() else b""
    if not content.startswith(b"%PDF-"):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ReportFailed(f"{browser} printed no PDF: {said[-1] if said else f'exit code {done.returncode}'}")
    return content
