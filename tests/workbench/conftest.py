"""One JupyterLab for all tests of this room, and a browser for each file; see in_lab.py for how a test uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from in_lab import FLAGS, ROOT, Lab, chromium


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab as `santabpf lab` starts it, with a home of its own: its address and its folder."""
    pytest.importorskip("jupyterlab")
    from santabpf.lab import serving

    home, root, images = (tmp_path_factory.mktemp(name) for name in ("home", "lab", "images"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_DATA_HOME",
                     "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        patch.setenv("HOME", str(home))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("SANTABPF_TEST_IMAGES", str(images))
        with serving(root) as (url, _):
            yield url, root


@pytest.fixture(scope="module")
def lab(jupyter: tuple[str, Path]) -> Iterator[Lab]:
    """That JupyterLab, and Chromium, which no file leaves open: no other can be begun beside it in one process."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield Lab(*jupyter, browser)
        browser.close()
