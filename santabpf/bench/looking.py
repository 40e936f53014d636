"""The workbench on a large recording: how long until something is seen, and until a new window is.

In: a recording of 10 million events. Out: figures. It is measured in a process of its own, as a notebook's kernel is
one; memory is that of the process and of those that it starts, together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SantaError
from ..units import GIB, MIB
from .crowded import make
from .figures import Family, Figure, Goal, Spread

if TYPE_CHECKING:
    from ..workbench import Investigation, Workbench

OVERVIEW, PANEL, BYTES, MEMORY = Goal(2.0), Goal(1.0), Goal(2.0), Goal(1.0)
PLANNED = [Figure("first overview", "s", None, OVERVIEW), Figure("the slowest panel, drawn anew", "s", None, PANEL),
           Figure("all panels, one after the other", "s", None, PANEL),
           Figure("to the browser for a panel, at most", "MiB", None, BYTES),
           Figure("memory of the kernel", "GiB", None, MEMORY)]
#: Windows of a tenth that are looked at.
WINDOWS = 5
_CHILD = f"import json, sys; from {__name__} import look; print(json.dumps(look(sys.argv[1])))"


def measure(folder: Path, rows: int, rounds: int) -> Family:
    """Open it, wait until it is judged, look at one tenth after the other."""
    began = time.monotonic()
    made = make(folder / "crowded", rows)
    making = time.monotonic() - began
    told = []
    env = {**os.environ, "XDG_CACHE_HOME": str(folder)}  # what it keeps goes with the folder
    for _ in range(rounds):
        done = subprocess.run([sys.executable, "-c", _CHILD, str(folder / "crowded")], capture_output=True, text=True,
                              env=env)
        if done.returncode:
            raise SantaError(f"the workbench could not be measured: {done.stderr.strip().splitlines()[-1:]}")
        told.append(json.loads(done.stdout))
    panels = {name: Spread.of([s for one in told for s in one["panels"][name]]) for name in told[0]["panels"]}
    slowest = max(panels, key=lambda name: panels[name].most)
    largest = max(told[0]["bytes"], key=lambda name: max(one["bytes"][name] for one in told))
    head = ["panel", "median s", "slowest s", "goal", "", "MiB to the browser, at most"]
    table = [[name, f"{spread.median:.2f}", f"{spread.most:.2f}", f"{PANEL} s",
              "met" if PANEL.is_met(spread.most) else "**missed**",
              f"{max(one['bytes'][name] for one in told) / MIB:.2f}"] for name, spread in panels.items()]
    return Family(
        "The workbench",
        f"A made-up recording of {made:,} events in 10 minutes (written in {making:.0f} s). It is opened as in "
        f"investigate.ipynb, imports included; then {WINDOWS} windows of a tenth are looked at, one after the other, "
        "and every panel is drawn anew for each; then all once more, for the memory that they take. What goes to the "
        "browser is counted without plotly.js (1.4 MiB, packed), which goes there once a page.",
        [Figure("first overview", "s", Spread.of([one["overview"] for one in told]), OVERVIEW,
                "alarms come when it is judged"),
         Figure("the slowest panel, drawn anew", "s", panels[slowest], PANEL, f"{slowest}; the median of all windows"),
         Figure("all panels, one after the other", "s",
                Spread.of([sum(window) for one in told for window in zip(*one["panels"].values(), strict=True)]), PANEL,
                "those of a closed tab are only drawn when it is opened"),
         Figure("to the browser for a panel, at most", "MiB",
                Spread.of([one["bytes"][largest] / MIB for one in told]), BYTES, largest),
         Figure("memory of the kernel", "GiB", Spread.of([one["memory"] / GIB for one in told]), MEMORY,
                "with the processes that it starts; by PSS, ten times a second"),
         Figure("judged, beside all else", "s", Spread.of([one["judged"] for one in told]))],
        [(head, table)],
    )


def look(path: str) -> dict[str, Any]:
    """What is done in the process of its own."""
    watch = _Memory()
    began = time.perf_counter()
    from ..workbench import Investigation, Workbench

    looked = Investigation(path, sidecar=None)
    bench = Workbench(looked, Path(path).parent)
    overview = time.perf_counter() - began
    while looked.judged is None:
        time.sleep(0.01)
    judged = time.perf_counter() - began
    with watch.paused():  # to look at so much memory takes a tenth of a CPU
        panels, sent = _look_around(looked, bench)
    _look_around(looked, bench)
    return {"overview": overview, "judged": judged, "panels": panels, "bytes": sent, "memory": watch.peak()}


def _look_around(looked: Investigation, bench: Workbench) -> tuple[dict[str, list[float]], dict[str, int]]:
    """One tenth after the other: how long each panel took for each, and what it sent at most."""
    start, end = looked.everything
    tenth = (end - start) // 10
    panels: dict[str, list[float]] = {name: [] for name in bench.views}
    sent = dict.fromkeys(panels, 0)
    for number in range(WINDOWS):
        looked.look(start + number * 2 * tenth, start + (number * 2 + 1) * tenth)
        for name, view in bench.views.items():
            view.update(looked)
            panels[name].append(view.seconds)
            sent[name] = max(sent[name], view.bytes)
    return panels, sent


class _Memory:
    """What this process and all that it started have in memory at once, at most; looked at ten times a second."""

    def __init__(self) -> None:
        self._peak, self._free = 0, threading.Event()
        self._free.set()
        threading.Thread(target=self._watch, daemon=True).start()

    def peak(self) -> int:
        """So far, in bytes."""
        self._look()
        return self._peak

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is looked at meanwhile."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def _watch(self) -> None:
        while self._free.wait():
            self._look()
            time.sleep(0.1)

    def _look(self) -> None:
        now = 0
        for pid in _family():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            now += next((int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
        self._peak = max(self._peak, now)


def _family() -> list[int]:
    """This process and its children; those have none."""
    own = Path("/proc/self")
    tasks = own.glob("task/*/children")
    return [int(own.resolve().name), *(int(pid) for task in tasks for pid in task.read_text().split())]
