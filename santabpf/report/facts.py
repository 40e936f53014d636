"""The facts of a report: what an index must know of it. Each page carries them in its head, so that it is enough.

In: recordings and their results; or the first bytes of a page. Out: Facts. Never: a clock, a path.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..recording import Recording
    from ..replay import Result
    from ..verdict import Verdict

#: In base64, so that it stands there in the same way whoever writes the page anew, as nbconvert does.
_META = re.compile(r'<meta content="([A-Za-z0-9+/=]*)" name="santabpf-report"/?>')
#: The facts stand in this many first characters of a page.
HEAD = 1 << 20
STATES = ("failed", "fired", "cannot_tell", "quiet")


@dataclass(frozen=True)
class Facts:
    """What a report is about. state: failed (a cell failed), else the worst of its verdicts."""

    recordings: tuple[str, ...]
    nodes: tuple[str, ...]
    from_ns: int
    to_ns: int
    state: str
    title: str  # of the verdict that comes first
    sentence: str
    fired: tuple[str, ...]  # scenarios
    scenarios: tuple[str, ...]  # all that were judged

    def packed(self) -> str:
        """For the page's head."""
        return base64.b64encode(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).decode()


def facts(recordings: Sequence[Recording], results: Sequence[Result], *, failed: bool) -> Facts:
    """The facts of a report of these recordings."""
    ranked = in_order(results)
    windows = [recording.window for recording in recordings]
    first = ranked[0] if ranked else None
    return Facts(
        tuple(recording.name for recording in recordings),
        tuple(sorted({node for recording in recordings for node in recording.nodes})),
        min(start for start, _ in windows), max(end for _, end in windows),
        "failed" if failed else first.state if first else "quiet",
        first.title if first else "", first.summary[0].text if first and first.summary else "",
        tuple(dict.fromkeys(v.scenario for v in ranked if v.state == "fired")),
        tuple(sorted({v.scenario for v in ranked})),
    )  # fmt: skip


def in_order(results: Sequence[Result]) -> list[Verdict]:
    """The verdicts of several results as people should read them: what fired first."""
    everything = [verdict for result in results for verdict in result.ranked]
    return sorted(everything, key=lambda verdict: STATES.index(verdict.state))


def facts_in_page(head: str) -> Facts | None:
    """The facts out of a page's first HEAD characters; None where it is no report, or one whose facts are broken."""
    match = _META.search(head)
    try:
        body: Any = json.loads(base64.b64decode(match[1])) if match else None
        if not isinstance(body, dict):
            return None
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in body.items()}
        found = Facts(**values)
    except (ValueError, TypeError):
        return None
    texts = (*found.recordings, *found.nodes, *found.fired, *found.scenarios, found.title, found.sentence)
    whole = all(isinstance(text, str) for text in texts) and all(
        type(moment) is int and 0 <= moment < 1 << 62 for moment in (found.from_ns, found.to_ns))
    return found if whole and found.state in STATES else None
