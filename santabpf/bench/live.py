"""A live panel: does it show something new twice a second, and does the Python behind it grow?

In: how long. Out: figures. Never: a browser; what the panel sends there is made all the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from ..errors import SantaError
from ..units import MIB, SECOND, format_duration
from ..workbench.live_panel import LivePanel
from ..workbench.live_session import LiveSession
from .figures import Family, Figure, Goal, Spread
from .recorders import Say

SCENARIOS = ("short_lived_jobs", "cpu_usage")
UPDATES, GROWN = Goal(1.9, at_least=True), Goal(32)
#: What is loaded and filled once is not growth: the first part of the time, which counts for nothing.
WARM = 0.25
PLANNED = [Figure("updates of a live panel", "/s", None, UPDATES), Figure("memory grown", "MiB", None, GROWN)]
_RUN = "import sys; from santabpf.bench.live import run; run(sys.argv[1], float(sys.argv[2]))"


class _Counted(LivePanel):
    """Knows how often it was drawn anew."""

    updates = 0

    def refresh(self) -> None:
        super().refresh()
        self.updates += 1


def measure(folder: Path, seconds: int, say: Say) -> Family:
    """A panel on this machine for so long, in a process of its own. Raises SantaError."""
    say(f"watching a live panel for {seconds} s")
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(folder / "live"), str(seconds)], capture_output=True, text=True
    )
    if done.returncode:
        raise SantaError(f"the live panel failed: {done.stderr.strip().splitlines()[-1:]}")
    told = json.loads(done.stdout)
    return Family(
        "A live panel",
        f"Two scenarios on this machine, for {format_duration(told['seconds'] * SECOND)} after {WARM:.0%} as much to "
        "warm up. Every update makes all that a browser would be sent. Memory is what is resident of the process that "
        "records, judges and shows.",
        [Figure("updates of a live panel", "/s", Spread.of([told["updates"] / told["seconds"]]), UPDATES),
         Figure("memory grown", "MiB", Spread.of([(told["last"] - told["first"]) / MIB]), GROWN,
                f"from {told['first'] / MIB:.0f} MiB")],
    )


def run(out: str, seconds: float) -> None:
    """In the process of its own: prints how often the panel was drawn, in how many seconds, and its memory."""
    session = LiveSession("local", SCENARIOS, None, out=out)
    panel = _Counted(session)
    panel.start()
    while session.is_running and session.glance().elapsed_s < seconds * WARM:
        time.sleep(0.1)
    first, updates, began = _resident(), panel.updates, time.monotonic()
    while session.is_running and time.monotonic() - began < seconds:
        time.sleep(0.1)
    took, last = time.monotonic() - began, _resident()
    told = {"updates": panel.updates - updates, "seconds": took, "first": first, "last": last}
    if session.state != "recording":
        sys.exit(session.message)
    panel.stop()
    panel.wait()
    session.discard()
    print(json.dumps(told))


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
