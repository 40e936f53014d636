"""What the tests of recordings share: the golden recording, and a copy of it to break."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def golden() -> Path:
    """The recording of format 1 that is never made again."""
    return HERE / "golden"


@pytest.fixture
def copy(golden: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(golden, tmp_path / "copy"))


@pytest.fixture
def edit(copy: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """edit(change) -> the copy, after change(recording.json)."""

    def apply(change: Callable[[dict[str, Any]], object]) -> Path:
        path = copy / "recording.json"
        root = json.loads(path.read_text())
        change(root)
        path.write_text(json.dumps(root))
        return copy

    return apply
