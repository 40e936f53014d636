"""The differential flame graph of two moments: which functions took more time a second than before, and which less.

In: windows. Out: a Flame, or a sentence where there are no stacks. Never: a stack of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ..charts.flame_graph import difference
from ..charts.flame_graph import flame as drawing
from ..display import Flame, Note, Words
from ..errors import BadUsage
from ..replay.stacks import WEIGHTS, sample_length, stacks
from .windows import Window

#: Frames below this share of all are drawn together, and the picture takes at most so many bytes.
LEAST, MOST_BYTES = 0.0005, 600_000
_WHOLE = {"profile": ("CPU time", "CPU time"), "offcpu": ("Waiting time", "waiting time")}


def flame(incident: Window, good: Sequence[Window], table: str) -> Flame | Words:
    """The stacks of both, each a second; of all processes, by the name of the thread."""
    if table not in WEIGHTS:
        raise BadUsage(f"{table} has no stacks; these have: {', '.join(WEIGHTS)}")
    missing = sorted({w.recording.name for w in (incident, *good) if table not in w.recording})
    if missing:
        return Words(Note(
            f"`{table}` was not recorded in {' and '.join(missing)}, so no flame graph can be drawn of it. "
            f"Record it with: `santabpf record NODE -p default -p {table}`"
        ))  # fmt: skip
    after = stacks(incident.recording, table, from_ns=incident.from_ns, to_ns=incident.to_ns)
    before = pa.concat_tables([stacks(w.recording, table, from_ns=w.from_ns, to_ns=w.to_ns) for w in good])
    seconds = (float(sum(w.seconds for w in good)), float(incident.seconds))
    made = difference(before, after, seconds=seconds, sample_ns=sample_length(incident.recording))
    named, of = _WHOLE[table]
    lead = f"{named} of all processes: the incident ({incident}) against the good moment."
    return drawing(made, of=of, lead=lead, least=LEAST, most_bytes=MOST_BYTES)
