"""Replay: a recording judged, second by second, with SQL. The same evaluator follows one that is being written.

    query.py     a SELECT over a recording      child.py     the locked-down process that runs DuckDB
    sql.py       SQL as text and tree           signals.py   one number per second, node and label
    alarms.py    the state of one alarm         evaluate.py  chunks of seconds, signals, alarms
    loss.py      could losses turn the answer   judge.py, doubts.py  alarms and evidence to verdicts
    check.py     a scenario tried on empty tables            result.py  what comes out
    explain.py   which trouble brought about which
    handed.py    a result handed from one process to another, so that nothing is judged twice

In: a Recording and scenarios. Out: Result. Never: writes, a node, the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import QueryFailed, RecordingError
from ..recording import check_bytes, verify
from ..recording import open as open_recording
from ..scenarios import Scenario
from .alarms import RANK, Level, Machine
from .check import check_scenario
from .evaluate import AlarmEvent, Evaluator
from .explain import Explanation
from .handed import hand_over, handed_over
from .query import Limits, Query
from .result import Result
from .words import format_value

if TYPE_CHECKING:
    from ..recording import Recording

__all__ = [
    "RANK", "AlarmEvent", "Evaluator", "Explanation", "Level", "Limits", "Machine", "Query", "Result", "check_scenario",
    "format_value", "hand_over", "replay",
]  # fmt: skip


def replay(
    recording: Recording | str | Path,
    scenarios: Iterable[str | Scenario] | None = None,
    *,
    limits: Limits | None = None,
) -> Result:
    """Judge a recording.

    recording  opened, or its folder
    scenarios  names or Scenario values; by default those the recording was made for and all whose tables it has

    Returns: verdicts (one for each scenario and node), alarms, signals; of the same recording the same, byte for byte.
    A scenario that is broken (it can't be read, its SQL fails or never ends, its words ask for what is not there) costs
    its own verdict only: cannot_tell, with file and line. Raises: BadUsage (unknown scenario), RecordingError.
    """
    recording = open_recording(recording) if isinstance(recording, str | Path) else recording
    if not recording.nodes:
        raise RecordingError(f"{recording.path}: nothing was recorded in it, so there is nothing to judge")
    chosen = None if scenarios is None else list(scenarios)
    if limits is None and (judged := handed_over(recording, chosen)) is not None:
        return judged
    check_bytes(recording)  # what the verdict's digest says of its inputs must be true of them
    try:
        with Evaluator(recording, chosen, limits=limits) as evaluator:
            result, failed = evaluator.finish(), bool(evaluator.broken)
    except QueryFailed as exc:
        if problems := verify(recording.path):
            raise RecordingError(problems[0]) from exc
        raise
    if failed and (problems := verify(recording.path)):
        raise RecordingError(problems[0])  # not the scenario is broken, but what it reads
    return result
