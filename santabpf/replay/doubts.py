"""Why there is no answer, and what could not be told whatever the answer is.

In: a Judge. Out: reasons and sentences, each with its evidence. Never: silence about lost or unwatched data.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import verdict as v
from ..probes import table_probe
from ..scenarios import Cause, count
from ..units import SECOND, format_utc
from .loss import KINDS
from .signals import composed, is_per_second

if TYPE_CHECKING:
    from .judge import Judge

#: The evidence of what was lost.
LOSS = ("recording_loss",)
LOSS_EVIDENCE = (
    'SELECT "table", '
    + ", ".join(
        f"CAST(sum({k}) AS BIGINT) AS {k}, CAST(count(*) FILTER (WHERE {k} IS NULL) AS BIGINT) AS {k}_unknown"
        for k in KINDS
    )
    + ", CAST(min(second) AS BIGINT) AS first_second, CAST(max(second) AS BIGINT) AS last_second "
    "FROM loss WHERE node = $node AND second >= $from_ns AND second < $to_ns GROUP BY ALL ORDER BY ALL"
)
GAPS_EVIDENCE = (
    'SELECT ts_ns, end_ns, "table", reason, detail FROM gaps '
    "WHERE node = $node AND ts_ns < $to_ns AND coalesce(end_ns, $to_ns) > $from_ns ORDER BY ALL"
)
COVERAGE_EVIDENCE = (
    'SELECT "table", CAST(count(*) FILTER (WHERE span_ns >= 950000000) AS BIGINT) AS whole_seconds, '
    'CAST(sum(span_ns) AS BIGINT) AS watched_ns, CAST(sum("rows") AS BIGINT) AS table_rows, '
    "CAST(sum(late) AS BIGINT) AS late FROM coverage "
    "WHERE node = $node AND second >= $from_ns AND second < $to_ns GROUP BY ALL ORDER BY ALL"
)
_KIND_WORDS = {
    "reserve_failed": "its ring was full",
    "map_full": "its map was full",
    "prog_missed": "the kernel skipped the program",
    "buffer_dropped": "the connection was too slow",
}


@dataclass(frozen=True)
class Reason:
    """Why it can't be told, and what to do about it."""

    text: str
    evidence: tuple[str, ...]
    step: v.Step | None = None


def missing(judge: Judge) -> list[Reason]:
    """Tables that the scenario needs and the recording does not have, or whose probe failed."""
    scenario, evidence = judge.scenario, coverage(judge)
    reasons = []
    for table in scenario.tables:
        why = why_not(judge, table)
        if why is None:
            continue
        step = v.Step(
            f"Record again with all that it needs: santabpf record NODE --scenario {scenario.name}",
            "The recording then has these tables: " + ", ".join(scenario.tables) + ".",
            evidence,
        )
        reasons.append(Reason(why, evidence, step))
    return reasons or _no_cpus(judge, evidence)


def why_not(judge: Judge, table: str) -> str | None:
    """Why this table was not recorded; None where it was."""
    recording, probe = judge.evaluator.recording, table_probe(table)
    state: dict[str, Any] = recording.info["probes"].get(probe.name, {}) if probe is not None else {}
    if table not in recording.tables:
        return f"The recording has no {table} table, without which this scenario can't be judged."
    if state.get("state") == "failed":
        said = state.get("why") or "no reason given"
        return f"The probe {probe.name if probe else table} failed, so {table} is empty: {said}."
    return None


def _no_cpus(judge: Judge, evidence: tuple[str, ...]) -> list[Reason]:
    """A share of all CPUs can't be told without their number."""
    asked = any(re.search(r"\bcpus\b", signal.query.sql) for signal in judge.scenario.signals)
    if not asked or judge.evaluator.recording.info["nodes"].get(judge.node, {}).get("cpus"):
        return []
    return [
        Reason(f"The recording does not say how many CPUs {judge.node} has, and shares are shares of them.", evidence)
    ]


def broken(judge: Judge, why: str) -> Reason:
    """The scenario itself failed; whatever else was recorded, the others stand."""
    evidence = coverage(judge)
    step = v.Step(
        "Mend it at that place; this recording will do: santabpf replay RECORDING --scenario " + judge.scenario.name,
        "It then gives a verdict of its own.",
        evidence,
    )
    end = "" if why.endswith(("?", ".")) else "."
    return Reason(f"The scenario {judge.scenario.name} is broken, so it was not judged: {why}{end}", evidence, step)


def short(judge: Judge) -> list[Reason]:
    """Too few seconds were watched to say that nothing happened."""
    need, have = judge.scenario.min_seconds, judge.watched
    evidence, total = coverage(judge), (judge.end - judge.start) // SECOND
    said = f"Only {have} of the recording's {total} seconds were watched whole"
    if have < need:
        step = v.Step(f"Record for longer, {need + 5} s at least.", "", evidence)
        return [Reason(f"{said}, and {need} are needed.", evidence, step)]
    return [Reason(f"{said}: less than half.", evidence)] if have * 2 < total else []


def turned(judge: Judge, tables: set[str], fired: bool) -> Reason:
    """Lost rows could have turned the answer."""
    _loss(judge)
    words = _gone({table: sum(judge.lost[table].values()) for table in tables})
    what = "the alarm may owe its raising to them" if fired else "they could have raised the alarm"
    step = v.Step(
        "Record again with fewer probes or a larger ring, or only the part that matters (--cgroup, --tree).",
        "The verdict then says that nothing was lost.",
        LOSS,
    )
    return Reason(f"{words}, and {what}.", LOSS, step)


def not_ruled_out(judge: Judge, cause: Cause, start: int, end: int) -> v.Sentence | None:
    """That this cause can't be ruled out in [start, end): rows that its evidence would have read were lost, or nobody
    watched.

    Evidence may look as far back as the signals do; of what is read once, at the start, every row counts.
    """
    start -= max((signal.lookback_ns for signal in judge.scenario.signals), default=0)
    gaps = [gap for gap in _gaps(judge) if _overlaps(gap, start, end)]
    if not gaps and not judge.lost:
        return None
    read, gone = _read(judge, cause), {}
    for table in judge.lost.keys() & read:
        seconds = judge.lost[table].items()
        gone[table] = sum(n for second, n in seconds if start <= second < end or not is_per_second(table))
    if gone := {table: n for table, n in gone.items() if n}:
        return v.Sentence(f"{_gone(gone)}, so it is not ruled out: {cause.name}.", (*cause.evidence, *loss(judge)))
    for gap in gaps:
        if gap["table"] is None or gap["table"] in read:
            words = f"{_unknown(gap)}, so it is not ruled out: {cause.name}."
            return v.Sentence(words, (*cause.evidence, "recording_gaps"))
    return None


def _overlaps(gap: dict[str, Any], start: int, end: int) -> bool:
    return bool(gap["ts_ns"] < end and (gap["end_ns"] is None or gap["end_ns"] > start))


def _read(judge: Judge, cause: Cause) -> set[str]:
    """The tables that the evidence of a cause reads."""
    asked = [composed(judge.scenario, e.query) for e in judge.scenario.evidence if e.name in cause.evidence]
    return {table for query in asked for table in judge.evaluator.query.uses(query).tables}


def _gone(counts: Mapping[str, int]) -> str:
    """How many rows of each table were lost.

    >>> _gone({"exit": 2300, "exec": 1})
    '1 row of exec and 2 300 rows of exit were lost'
    """
    rows = (f"{count(n)} {'row' if n == 1 else 'rows'} of {table}" for table, n in sorted(counts.items()))
    return f"{' and '.join(rows)} {'was' if sum(counts.values()) == 1 else 'were'} lost"


def _unknown(gap: dict[str, Any]) -> str:
    """Of which table nothing is known, and when."""
    end = "the end" if gap["end_ns"] is None else format_utc(gap["end_ns"], date=False)
    return f"Nothing is known about {gap['table'] or 'any table'} from {format_utc(gap['ts_ns'], date=False)} to {end}"


def always(judge: Judge) -> list[v.Sentence]:
    """All that is not known, whatever the answer."""
    out = list(_losses(judge, judge.scenario.tables))
    for row in _gaps(judge):
        detail = f" ({row['detail']})" if row["detail"] else ""
        out.append(v.Sentence(f"{_unknown(row)}: {row['reason']}{detail}.", ("recording_gaps",)))
    total, have = (judge.end - judge.start) // SECOND, judge.watched
    is_there = not any(why_not(judge, table) for table in judge.scenario.tables)
    if is_there and have < total - 2:  # the first and the last are rarely whole
        out.append(
            v.Sentence(
                f"{total - have} of {total} seconds were not watched whole; they count as unknown.", coverage(judge)
            )
        )
    out += _recorder(judge)
    return out


def _losses(judge: Judge, tables: Container[str]) -> Iterator[v.Sentence]:
    for row in _loss(judge):
        if row["table"] not in tables:
            continue
        kinds = [(row[kind], words) for kind, words in _KIND_WORDS.items() if row[kind]]
        if kinds:
            words = ", ".join(f"{count(n)} because {why}" for n, why in kinds)
            yield v.Sentence(f"Rows of {row['table']} were lost: {words}.", LOSS)
        unknown = [_KIND_WORDS[kind] for kind in KINDS if row[f"{kind}_unknown"]]
        if unknown:
            yield v.Sentence(
                f"Whether more rows of {row['table']} were lost because {' or because '.join(unknown)} "
                "can't be told on this kernel.",
                LOSS,
            )


def _recorder(judge: Judge) -> list[v.Sentence]:
    info, evidence = judge.evaluator.recording.info, coverage(judge)
    out = []
    late = sum(row["late"] or 0 for row in _own(judge, "coverage", "What was watched", COVERAGE_EVIDENCE))
    if late:
        out.append(
            v.Sentence(
                f"{count(late)} rows came after their second had been closed: they count here, but "
                "could not when it was judged live.",
                evidence,
            )
        )
    for name, probe in sorted(info["probes"].items()):
        if probe.get("state") == "partial" and any(t in judge.scenario.tables for t in _tables(name)):
            out.append(
                v.Sentence(
                    f"The probe {name} could not see everything: {probe.get('why') or 'no reason given'}.", evidence
                )
            )
    return out


def limits(judge: Judge) -> list[v.Sentence]:
    """What was lost of tables that only add to the answer, or not meant to be recorded: no doubt about it."""
    lost = list(_losses(judge, judge.scenario.optional))
    if not judge.evaluator.recording.info.get("scope"):
        return lost
    words = (
        "Only one part of the node was recorded (a process tree or a cgroup); what ran outside of it is not here, "
        "though metrics are of the whole node."
    )
    return [*lost, v.Sentence(words, coverage(judge))]


def _tables(probe: str) -> tuple[str, ...]:
    from ..probes import all_probes

    found = all_probes().get(probe)
    return () if found is None else tuple(t.name for t in found.tables)


def lost_rows(judge: Judge) -> int:
    """Rows lost, of all tables that the scenario needs."""
    return sum(sum(seconds.values()) for table, seconds in judge.lost.items() if table in judge.scenario.tables)


def coverage(judge: Judge) -> tuple[str, ...]:
    """Ask what was watched; the name of the evidence."""
    _own(judge, "coverage", "What was watched", COVERAGE_EVIDENCE)
    return ("recording_coverage",)


def loss(judge: Judge) -> tuple[str, ...]:
    """Ask what was lost; the name of the evidence."""
    _loss(judge)
    return LOSS


def _loss(judge: Judge) -> list[dict[str, Any]]:
    return _own(judge, "loss", "What was lost", LOSS_EVIDENCE)


def _gaps(judge: Judge) -> list[dict[str, Any]]:
    """Those within the recording; the one that begins when it was stopped is none."""
    told = _own(judge, "gaps", "Times of which nothing is known", GAPS_EVIDENCE)
    return [gap for gap in told if gap["reason"] != "stopped"]


def _own(judge: Judge, table: str, title: str, sql: str) -> list[dict[str, Any]]:
    name = f"recording_{table}"
    if name in judge.evidence:
        found = judge.evidence[name]
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if table not in judge.evaluator.recording.tables:
        judge.evidence[name] = v.Evidence(name, f"{title} (the recording has no such table)", "", {}, (), (), 0)
        return []
    params: dict[str, int | str] = {"node": judge.node, "from_ns": judge.start, "to_ns": judge.end}
    return judge.ask(name, title, sql, params, {})
