"""Threads that block for a known time, found again with where and how long, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from probes import plants

pytestmark = pytest.mark.bpf


def test_blocks_have_their_stacks_their_lengths_and_their_states(tmp_path: Path) -> None:
    plants.check(plants.grow("local", ["offcpu"], tmp_path / "recording"), "offcpu")
