"""The command line: flags in, one call, words or JSON out. Imported by nobody.

    group.py      the command itself, errors, signals     shared.py     flags and printing that several share
    recording.py  check, record, watch                    judging.py    replay, report, index, verify, sweep
    gym.py        drill, reproduce, gym, demo             catalogue.py  probes, scenarios, bench
    schedule.py   schedule daily, folder, list, remove    lab.py        lab
    comparing.py  compare

Exit codes: 0 done and quiet; 1 an error, or no report; 2 bad usage; 3 a scenario fired; 4 one cannot tell.
130 and 143 after Ctrl-C and SIGTERM, when nothing could be kept.
"""

from __future__ import annotations

import signal

# While modules load, nobody is there to catch Ctrl-C: it ends the process without a traceback, as it does in C.
_before = signal.signal(signal.SIGINT, signal.SIG_DFL)

from . import catalogue, comparing, gym, judging, lab, recording, schedule  # noqa: E402
from .group import cli, main  # noqa: E402

signal.signal(signal.SIGINT, _before)

__all__ = ["catalogue", "cli", "comparing", "gym", "judging", "lab", "main", "recording", "schedule"]
