"""A recording that can't be judged, in JupyterLab: what it holds is drawn all the same."""

from __future__ import annotations

import shutil

import pytest
from in_lab import ROOT, Lab

pytestmark = pytest.mark.browser


def test_the_overview_of_a_recording_that_lost_a_table_is_drawn(lab: Lab) -> None:
    path = lab.root / "harmed" / "no_exit"
    shutil.copytree(ROOT / "recordings" / "short_lived_jobs", path)
    shutil.rmtree(path / "exit")
    with lab.notebook("investigate.ipynb", recording=str(path), recordings=str(path.parent)) as book:
        book.run_all()
        overview = book.page.locator(".santa-chart").first
        overview.locator("svg.main-svg").first.wait_for(timeout=30_000)
        assert "Events recorded" in overview.inner_text()
        assert book.complaints == []
