"""The sections of a postmortem: one function each, in the order in which they are read.

In: a recording and the result of its replay. Out: display values that show themselves in a notebook, and in the
report made from it. Never: a judgement of its own; whatever is said stands in a verdict or in a table.

    from santabpf import postmortem
    postmortem.summary(rec, result)

    words.py     summary, impact, timeline, cause, detected, ruled_out, not_told, next_steps
    pictures.py  signals, processes, commands, run_queue, receipt
    flames.py    time_spent
    evidence.py  a sentence, and the query and rows that it rests on
    incident.py  several recordings: overview, aligned_timeline, aligned_signals, clocks
    clocks.py    how far a node's clock is from that of the machine that recorded it
"""

from __future__ import annotations

from .flames import time_spent
from .incident import Incident, aligned_signals, aligned_timeline, clocks, overview
from .pictures import commands, processes, receipt, run_queue, signals
from .words import cause, detected, impact, next_steps, not_told, ruled_out, summary, timeline

__all__ = [
    "Incident", "aligned_signals", "aligned_timeline", "cause", "clocks", "commands", "detected", "impact",
    "next_steps", "not_told", "overview", "processes", "receipt", "ruled_out", "run_queue", "signals", "summary",
    "time_spent", "timeline",
]
