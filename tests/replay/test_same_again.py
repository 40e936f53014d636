"""The same recording gives the same verdicts, byte for byte, in whatever process it is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

#: One of each kind of evidence: lives of processes, stacks and their names, what is read once a second, counts by file,
#: distributions, connections, security.
RECORDINGS = (
    "short_lived_jobs", "event_loop_blocked", "memory_usage", "page_cache_thrash", "slow_fsync", "accept_queue",
    "reverse_shell",
)  # fmt: skip
JUDGE = """
import json, sys
from santabpf import replay
for name in sys.argv[1:]:
    result = replay(f"recordings/{name}")
    print(json.dumps([name, [v.to_json() for v in result.verdicts], [v.digest for v in result.verdicts],
        [why.as_dict() for why in result.explanations], result.signals.to_json(), result.alarms.to_json()]))
"""


def judged(seed: int) -> bytes:
    """All that comes out, of a Python that orders its sets by this seed."""
    return subprocess.run(
        [sys.executable, "-c", JUDGE, *RECORDINGS], stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
    ).stdout  # fmt: skip


def test_two_processes_give_the_same_bytes() -> None:
    first, second = judged(1), judged(2)
    told = [json.loads(line) for line in first.splitlines()]
    assert [name for name, *_ in told] == [*RECORDINGS]
    for name, verdicts, digests, *_ in told:
        states = {verdict["scenario"]: verdict["state"] for verdict in map(json.loads, verdicts)}
        assert states[name] == "fired"
        assert [json.loads(verdict)["digest"] for verdict in verdicts] == digests
    assert first == second
