"""A file that is there is whole: written beside, flushed to disk, renamed.

In: a path and its content. Out: the file; or, where something failed, what was there before. Never: half a file.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that everybody may read. Raises OSError, and leaves nothing behind then."""
    descriptor, half = tempfile.mkstemp(prefix=f".half-{path.name[-40:]}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            os.fchmod(stream.fileno(), 0o644)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(half, path)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise
