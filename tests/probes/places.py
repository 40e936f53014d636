"""Where tests of the page cache read: a cgroup whose memory is limited, a disk of their own; see conftest.py."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT_BYTES = 8 << 20


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup below ours whose memory is limited; removed at the end."""
    lines = dict(re.findall(r"^\d+:(.*?):(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE))
    root = Path("/sys/fs/cgroup/memory") if "memory" in lines else Path("/sys/fs/cgroup")
    folder = root / lines.get("memory", lines.get("", "/")).lstrip("/") / f"santa-reclaim-{os.getpid()}"
    folder.mkdir()
    try:
        limit = folder / ("memory.limit_in_bytes" if "memory" in lines else "memory.max")
        if not limit.exists():
            pytest.skip("this cgroup can't be limited: its parent does not pass the memory controller on")
        limit.write_text(str(LIMIT_BYTES))
        yield folder
    finally:
        folder.rmdir()


@pytest.fixture
def own_disk() -> Iterator[Path]:
    """A file system of its own, so that no page of a program counts."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        image, inner = Path(folder) / "image", Path(folder) / "mounted"
        inner.mkdir()
        with open(image, "wb") as stream:
            stream.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(inner)], check=True)
        try:
            yield inner
        finally:
            subprocess.run(["umount", str(inner)], check=True)
