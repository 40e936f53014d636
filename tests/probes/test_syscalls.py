"""Planted calls that fail, and calls that take their time: each as often, as long, and with its error."""

from __future__ import annotations

from pathlib import Path

import pytest
from planting import check_planted

pytestmark = pytest.mark.bpf


@pytest.mark.parametrize("name", ["syscalls", "syscall_latency"])
def test_planted_calls_are_found_each_as_often_as_it_was_made(tmp_path: Path, name: str) -> None:
    check_planted(name, tmp_path)
