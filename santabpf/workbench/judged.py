"""What was judged of recordings before, in a few words, so that the table of recordings can say it at once.

In: a recording's folder. Out: a sentence, if the same recording was judged by the same scenarios. Never: a judgement; a
failure, where the cache can't be read or written: it is only a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from .. import __version__
from ..places import found
from ..whole import write_whole

#: The oldest are forgotten.
MOST = 2000


class Judged:
    """Sentences by recording, kept in the user's cache folder."""

    def __init__(self, path: Path | None = None) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._path = path or cache / "santabpf" / "judged.json"
        self._scenarios = "".join(f"{yaml}{yaml.stat().st_mtime_ns}" for folder in found("scenarios").values()
                                  for yaml in [folder / "scenario.yaml"])
        self._known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {str(key): str(said) for key, said in read.items()} if isinstance(read, dict) else {}

    def get(self, recording: Path) -> str | None:
        """What was said of it; None where it has not been judged as it is now."""
        return self._known.get(self._key(recording))

    def put(self, recording: Path, said: str) -> None:
        """Keep what was said of it."""
        self._known.pop(key := self._key(recording), None)
        self._known = dict([*self._known.items(), (key, said)][-MOST:])
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(self._known, indent=1))

    def _key(self, recording: Path) -> str:
        """Changes with the recording, with the scenarios and with SantaBPF."""
        try:
            listed = (recording / "recording.json").read_bytes()
        except OSError:
            listed = b""
        return hashlib.sha256(listed + f"{__version__}{self._scenarios}".encode()).hexdigest()
