"""A full file system and a full table of descriptors are found again with their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from planting import check_planted

pytestmark = pytest.mark.bpf


def test_what_found_no_room_is_told_with_its_file_mount_port_and_limit(tmp_path: Path) -> None:
    check_planted("exhausted", tmp_path)
