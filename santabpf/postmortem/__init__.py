"""The sections of a postmortem: one function each, in the order in which they are read.

In: a recording and the result of its replay. Out: display values that show themselves in a notebook, and in the
report made from it. Never: a judgement of its own; whatever is said stands in a verdict or in a table.

    from santabpf import postmortem
    postmortem.summary(rec, result)

    words.py     summary, impact, timeline, cause, detected, ruled_out, not_told, next_steps, action_items
    pictures.py  signals, processes, commands, run_queue, receipt
    flames.py    time_spent
    evidence.py  a sentence, and the query and rows that it rests on
"""

from __future__ import annotations

from .flames import time_spent
from .pictures import commands, processes, receipt, run_queue, signals
from .words import action_items, cause, detected, impact, next_steps, not_told, ruled_out, summary, timeline

__all__ = [
    "action_items", "cause", "commands", "detected", "impact", "next_steps", "not_told", "processes", "receipt",
    "ruled_out", "run_queue", "signals", "summary", "time_spent", "timeline",
]
