"""A recording that can't be judged, in JupyterLab: what it holds is drawn all the same, and it says why."""

from __future__ import annotations

import shutil

import pytest
from in_lab import ROOT, Lab

pytestmark = pytest.mark.browser


def test_the_overview_of_a_recording_that_lost_a_table_is_drawn_and_says_so(lab: Lab) -> None:
    path = lab.root / "harmed" / "no_exit"
    shutil.copytree(ROOT / "recordings" / "short_lived_jobs", path)
    shutil.rmtree(path / "exit")
    with lab.notebook("investigate.ipynb", recording=str(path), recordings=str(path.parent)) as book:
        book.run_all()
        overview = book.page.locator(".santa-chart").first
        overview.locator("svg.main-svg").first.wait_for(timeout=30_000)
        assert "Events recorded" in overview.inner_text()
        overview.get_by_text("the recording could not be judged").wait_for()
        said = book.page.get_by_text("The recording could not be judged:")
        said.wait_for()
        assert "exit/node=node-1/part-000001.parquet: is missing" in said.inner_text()
        assert "is being judged" not in book.page.inner_text("body")
        book.screenshot("not_judged")
        assert book.complaints == []
