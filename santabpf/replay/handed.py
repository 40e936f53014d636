"""A result that was judged already, handed to another process, so that nothing is judged twice.

`santabpf report` judges, writes the verdicts down, and runs a notebook, which calls sb.replay as if it were alone. The
way there is a folder named in the environment; what lies in it counts only for the same recording, byte for byte, and
the same scenarios, and only if each verdict bears out its digest. In every other case sb.replay judges for itself.

In: a recording, scenarios, a result. Out: a folder with one JSON file for each; a Result out of it, or None.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import types
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from ..errors import BadVerdict
from ..scenarios import Scenario
from ..verdict import Verdict, check_digest
from .evaluate import AlarmEvent
from .explain import Explanation
from .result import Result

if TYPE_CHECKING:
    from ..recording import Recording

ENVIRONMENT = "SANTABPF_JUDGED"


def hand_over(
    recording: Recording, scenarios: Iterable[str | Scenario] | None, result: Result, folder: Path
) -> dict[str, str]:
    """Write the result into the folder. Returns: what a process must have in its environment to find it."""
    given = None if scenarios is None else list(scenarios)
    key = _key(recording, given)
    body = {
        "verdicts": [verdict.to_json() for verdict in result.verdicts],
        "alarms": result.alarm_rows,
        "signals": result.signal_rows,
        "explanations": [explanation.as_dict() for explanation in result.explanations],
        "events": [event.as_dict() for event in result.events],
        "notes": result.notes,
    }
    (folder / f"{key}.json").write_text(json.dumps(body), encoding="utf-8")
    return {ENVIRONMENT: str(folder)}


def handed_over(recording: Recording, scenarios: Iterable[str | Scenario] | None) -> Result | None:
    """The result that was handed over for just this recording and these scenarios; None where there is none."""
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return None
    try:
        key = _key(recording, None if scenarios is None else list(scenarios))
        body = json.loads((Path(folder) / f"{key}.json").read_text(encoding="utf-8"))
        verdicts = tuple(_revived(Verdict, check_digest(text)) for text in body["verdicts"])
        why = tuple(_revived(Explanation, e) for e in body["explanations"])
        events = tuple(_revived(AlarmEvent, e) for e in body["events"])
        notes = tuple(body["notes"])
    except (OSError, ValueError, KeyError, TypeError, BadVerdict):
        return None
    return Result(verdicts, tuple(map(tuple, body["alarms"])), tuple(map(tuple, body["signals"])), why, events, notes)


def _key(recording: Recording, scenarios: list[str | Scenario] | None) -> str:
    """Changes with the recording's list of parts and their sums, where it lies, and what it is to be judged by."""
    asked = None if scenarios is None else [s if isinstance(s, str) else f"{s.path}#{s.sha256}" for s in scenarios]
    listed = hashlib.sha256((recording.path / "recording.json").read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([str(recording.path.resolve()), listed, asked]).encode()).hexdigest()


def _revived(kind: Any, value: Any) -> Any:
    """A value of that type out of plain JSON: dataclasses by their fields, lists to the tuples they were."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(
            **{field.name: _revived(hints[field.name], value[field.name]) for field in dataclasses.fields(kind)}
        )
    if get_origin(kind) is tuple:
        return tuple(_revived(get_args(kind)[0], item) for item in value)
    if get_origin(kind) is types.UnionType and value is not None:
        inside = [part for part in get_args(kind) if dataclasses.is_dataclass(part)]
        return _revived(inside[0], value) if inside else value
    return value
