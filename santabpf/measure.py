"""What probes cost on a node as it is now: record them for a moment, and read the receipt.

In: a node and names of probes. Out: one row a probe. Never: loads the node with anything; keeps the recording.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .probes import all_probes
from .record import record
from .units import SECOND

_SQL = """
    select split_part(substr(part, 9), '/', 1) as probe, sum(runs)::bigint as runs, sum(run_ns)::bigint as run_ns,
        sum(span_ns)::bigint / count(distinct part) as span_ns
    from receipt where part like 'program:%' and runs is not null group by 1 order by 1
"""
_ELF = """
    select sum(user_ns + system_ns)::bigint as cpu_ns, sum(span_ns)::bigint as span_ns from receipt where part = 'elf'
"""


class Measured(NamedTuple):
    """One probe on one node.

    runs_a_second  how often its programs ran
    ns_a_run       how long each took
    core_percent   so much of one core; all None where the node's kernel does not count them, or it has no program
    """

    probe: str
    runs_a_second: float | None
    ns_a_run: float | None
    core_percent: float | None


def measure(
    node: str = "local", probes: Sequence[str] = (), seconds: int = 10, *, progress: bool = True, **ssh: Any
) -> tuple[list[Measured], float]:
    """Each probe's cost on this node under whatever runs there, and the elf's own, in percent of one core.

    probes  all that belong to a set by default; the others are dear and want to be named
    Raises what record() raises.
    """
    names = list(probes) or [probe.name for probe in all_probes().values() if probe.sets]
    with tempfile.TemporaryDirectory(prefix="santabpf-measure-") as folder:
        recording = record(
            [node], probes=names, duration=f"{seconds}s", out=Path(folder) / "recording", progress=progress, **ssh
        )
        programs = {row["probe"]: row for row in recording.sql(_SQL).to_dict("records")}
        elf = recording.sql(_ELF).to_dict("records")[0]
    return [_measured(name, programs.get(name)) for name in sorted(recording.info["probes"])], (
        100 * elf["cpu_ns"] / elf["span_ns"]
    )


def _measured(name: str, row: dict[str, Any] | None) -> Measured:
    if row is None or not row["span_ns"]:
        return Measured(name, None, None, None)
    each = row["run_ns"] / row["runs"] if row["runs"] else 0.0
    return Measured(name, row["runs"] * SECOND / row["span_ns"], each, 100 * row["run_ns"] / row["span_ns"])
