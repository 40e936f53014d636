"""Where the time went, as flame graphs: of the culprit and all it started while the alarm was on, where one is named.

In: a recording and a result. Out: display values. Never: a culprit of its own; who it is stands in the verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..charts.flame_graph import flame, info
from ..charts.flame_processes import by_process
from ..display import Flame, Note, Words
from ..display.words import Block, Heading
from ..replay.stacks import sample_length, stacks
from ..units import MS, format_duration, format_utc

if TYPE_CHECKING:
    from ..recording import Recording
    from ..replay import Result
    from ..verdict import Verdict

#: Frames below this share of all are drawn together, and the picture takes at most so many bytes of the page.
LEAST, MOST_BYTES = 0.0005, 300_000

_Process = tuple[int, int]  # tgid, start_ns
_Keys = np.ndarray[Any, np.dtype[np.int64]]
_NOBODY: _Keys = np.zeros(0, dtype=np.int64)


class _Scope(NamedTuple):
    node: str | None
    from_ns: int
    to_ns: int
    who: str  # the culprit, '' where none is named
    family: _Keys  # it and all it started


def time_spent(rec: Recording, result: Result) -> Words:
    """Which functions took the CPU time, and who called them; and where threads waited, if that was recorded too."""
    scope = _scope(rec, result)
    if "profile" in rec:
        blocks: list[Block] = [_flame(rec, scope, "profile", "CPU time", sample_length(rec))]
    else:
        blocks = [Note("`profile` was not recorded, so nothing is known of the functions that took the CPU time.")]
    if "offcpu" in rec:
        shortest = _param(rec, "offcpu", "min_block_ns")
        note = "Waiting for work is in it too: a thread that sleeps until it is asked, like one that waits for a disk."
        note += f" Waits of less than {format_duration(shortest)} are not." if shortest else ""
        blocks += [Heading("Where threads waited"), _flame(rec, scope, "offcpu", "waiting time", None, note)]
    return Words(*blocks)


def _param(rec: Recording, probe: str, name: str) -> int | None:
    """With which parameter the probe recorded; None where that is not known."""
    value = rec.info["probes"].get(probe, {}).get("params", {}).get(name)
    return value if isinstance(value, int) else None


def _flame(
    rec: Recording, scope: _Scope, table: str, of: str, sample_ns: int | None, note: str = ""
) -> Flame:
    found = stacks(rec, table, from_ns=scope.from_ns, to_ns=scope.to_ns, node=scope.node)
    theirs = _of(found, scope.family) if scope.who else found
    when = f"{format_utc(scope.from_ns, date=False)[:8]} to {format_utc(scope.to_ns, date=False)[:8]} UTC"
    where = f" on {scope.node}" if scope.node and len(rec.nodes) > 1 else ""
    lead = f"All processes{where}, {when}."
    if scope.who and theirs.num_rows:
        share = pc.sum(theirs["value"]).as_py() / max(1, pc.sum(found["value"]).as_py())
        lead = f"{scope.who} and all it started{where}, {when}: {share * 100:.0f} % of all {of} that was recorded then."
    elif scope.who:
        lead = f"All processes{where}, {when}; nothing was seen of {scope.who} and what it started."
    drawn = theirs if theirs.num_rows else found
    return flame(info(by_process(drawn), sample_ns=sample_ns), of=of, lead=lead, note=note, least=LEAST,
                 most_bytes=MOST_BYTES)


def _scope(rec: Recording, result: Result) -> _Scope:
    """The window of the first verdict that fired, with its culprit's processes; else the whole recording."""
    start, end = rec.window
    for verdict in result.ranked:
        if verdict.state == "fired" and verdict.detected and verdict.detected.onset_ns is not None:
            culprit = _culprit(verdict)
            who, family = ("", _NOBODY) if culprit is None else (
                f"{culprit[0]} (pid {culprit[1][0]})", _family(rec, verdict.node, culprit[1]))
            return _Scope(verdict.node, verdict.detected.onset_ns, verdict.detected.to_ns or end, who, family)
    return _Scope(None, start, end + 1, "", _NOBODY)


def _culprit(verdict: Verdict) -> tuple[str, _Process] | None:
    """Command and identity of the process that the culprit's evidence names first, where it names one."""
    for name in verdict.culprit.evidence if verdict.culprit else ():
        evidence = verdict.find(name)
        if evidence.rows and {"tgid", "start_ns", "comm"} <= set(evidence.columns):
            row = dict(zip(evidence.columns, evidence.rows[0], strict=True))
            if isinstance(row["tgid"], int) and isinstance(row["start_ns"], int):
                return str(row["comm"]), (row["tgid"], row["start_ns"])
    return None


def _family(rec: Recording, node: str, first: _Process) -> _Keys:
    """The process and its descendants, as far as is known who started them; generation by generation."""
    own, above = [_keys([first[0]], [first[1]])], [_keys([-1], [-1])]
    if "processes" in rec:  # all lived at one time, so that a process id is enough to find a parent
        rows = rec["processes"].arrow(["node", "tgid", "start_ns", "ptgid"])
        rows = rows.filter(pc.equal(rows["node"].cast(pa.string()), node))
        started = dict(zip(rows["tgid"].to_pylist(), rows["start_ns"].to_pylist(), strict=True))
        own.append(_keys(rows["tgid"], rows["start_ns"]))
        above.append(_keys(rows["ptgid"], [started.get(ptgid) for ptgid in rows["ptgid"].to_pylist()]))
    for name in ("fork", "exec", "exit"):
        if name in rec:
            rows = rec[name].arrow(["node", "tgid", "start_ns", "ptgid", "pstart_ns"])
            rows = rows.filter(pc.equal(rows["node"].cast(pa.string()), node))
            own.append(_keys(rows["tgid"], rows["start_ns"]))
            above.append(_keys(rows["ptgid"], rows["pstart_ns"]))
    born, parents = np.concatenate(own), np.concatenate(above)
    family = fresh = own[0]
    while fresh.size:
        fresh = np.setdiff1d(born[np.isin(parents, fresh)], family)
        family = np.concatenate([family, fresh])
    return family


def _keys(tgids: Any, starts: Any) -> _Keys:
    """One number for each process; starts are known to 10 ms, and process ids have 22 bits. Null is -1."""
    tgid, start = (np.asarray(pc.fill_null(pa.array(column, pa.int64()) if isinstance(column, list) else column, -1),
                              dtype=np.int64) for column in (tgids, starts))
    return start // MS * (1 << 22) + tgid


def _of(found: pa.Table, family: _Keys) -> pa.Table:
    """The stacks of these processes."""
    return found.filter(pa.array(np.isin(_keys(found["tgid"], found["start_ns"]), family)))
