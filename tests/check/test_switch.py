"""The switch that turns a skipped test into a failed one, so that CI can't be green by not looking."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SUITE = """
import pytest
@pytest.mark.browser
def test_with_a_browser(): pass
def test_plain(): pytest.skip("of its own accord")
"""


def outcome(tmp_path: Path, *flags: str, **env: str) -> tuple[int, str]:
    """The suite above where there is no browser: exit code and output."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  bpf\n  ssh\n  browser\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "conftest", *flags, str(tmp_path)]
    paths = {"PATH": "/nowhere", "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "SANTABPF_REQUIRE": ""}
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=os.environ | paths | env)
    return done.returncode, done.stdout


def test_without_the_switch_it_skips_and_says_why(tmp_path: Path) -> None:
    code, text = outcome(tmp_path)
    assert code == 0
    assert "2 skipped" in text
    assert "browser: there is no Chromium: apt-get install chromium" in text


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_with_the_switch_a_skip_is_a_failure(tmp_path: Path, by: str) -> None:
    code, text = outcome(tmp_path, "--require-bpf") if by == "flag" else outcome(tmp_path, SANTABPF_REQUIRE="1")
    assert code == 1
    assert "1 skipped, 1 error" in text
    assert "skipped, where a skip is a failure: " in text
