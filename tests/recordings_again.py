"""Makes the recordings in recordings/ anew, on this machine's kernel: each says which drill it is of.

In: names of recordings, all by default. Out: the same folders, anonymised, with the probes that were recorded before.
Never: one of which the verdict is not as it must be; the synthetic ones (synthetic_steal.py makes those).

    python tests/recordings_again.py [NAME ...]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from synthetic_steal import MADE, ROOM

from santabpf.gym import drill
from santabpf.recording import open as open_recording

SECONDS = 10


def again(folder: Path) -> None:
    """Provoke and record its drill once more, and put that in its place; SystemExit where the verdict is wrong."""
    info = open_recording(folder).info
    told, probes = info["drill"], [_spec(name, probe["params"]) for name, probe in info["probes"].items()]
    with tempfile.TemporaryDirectory(prefix=".again-", dir=folder.parent) as beside:
        kept = Path(beside) / folder.name
        made = drill(told["scenario"], told["variant"], seconds=SECONDS, keep=kept, probes=probes)
        if not made.ok:
            raise SystemExit(f"{folder.name} stays as it was: {made.to_text()}")
        shutil.rmtree(folder)
        kept.rename(folder)


def _spec(name: str, params: dict[str, int]) -> str:
    """With its parameters: a probe's name alone may be that of a set, too."""
    return f"{name}:{','.join(f'{key}={value}' for key, value in params.items())}" if params else name


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.parent.name for path in ROOM.glob("*/recording.json")):
        if name not in MADE:
            print(name, flush=True)
            again(ROOM / name)
