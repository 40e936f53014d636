"""The receipt: what recording cost the node, and what was lost while recording."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..display.words import Block, Col, Heading, Note, Paragraph, Table, Tile, Tiles
from ..units import format_bytes, format_count, format_duration, format_ratio, format_utc
from .look import NULL, Tabular, arrow, ints, texts

_CAUSES = ("reserve_failed", "map_full", "prog_missed", "buffer_dropped")
_PARTS = {
    "elf": "the recorder itself",
    "compiler": "compiling and loading, once",
    "transport": "carrying the bytes (sshd)",
}


class Cost(NamedTuple):
    """What one part of the recorder took; None: not known on this kernel."""

    part: str
    cpu_ns: int | None
    cpu_ratio: float | None  # of one CPU, over the time it was measured
    private_bytes: int | None  # the most it had
    sent_bytes: int | None
    runs: int | None


class Kept(NamedTuple):
    """What became of one table: rows kept, and events lost by cause; None: this kernel can't tell."""

    table: str
    rows: int
    lost: dict[str, int | None]


class Info(NamedTuple):
    """The receipt of a whole recording, all nodes together."""

    costs: tuple[Cost, ...]
    kept: tuple[Kept, ...]
    gaps: tuple[tuple[int, int | None, str, str, str], ...]  # from, to, table, reason, detail
    clock_error_ns: int | None
    late: int


def info(
    receipt: Tabular | None = None,
    loss: Tabular | None = None,
    coverage: Tabular | None = None,
    gaps: Tabular | None = None,
    clock: Tabular | None = None,
) -> Info:
    """What recording cost and lost, out of the tables about the recording itself; each may be missing or empty.

    Costs are sums over all seconds (memory: the most). Lost counts are sums; a cause that is null in every row is
    None: it could not be told, which is not 0. clock_error_ns: how wrong ts_ns can be against the node's UTC clock.
    """
    watched = _table(coverage)
    rows: dict[str, int] = {}
    for name, count in zip(texts(watched, "table"), ints(watched, "rows").tolist(), strict=True):
        rows[name] = rows.get(name, 0) + max(count, 0)
    lost = _lost(_table(loss))
    kept = tuple(Kept(name, rows.get(name, 0), lost.get(name, {})) for name in sorted({*rows, *lost}))
    holes = _table(gaps)
    ends = ints(holes, "end_ns").tolist()
    readings = _table(clock)
    pairs = zip(ints(readings, "error_ns").tolist(), texts(readings, "against"), strict=True)
    errors = [error for error, against in pairs if against == "node" and error != NULL]
    late = ints(watched, "late")
    return Info(
        _costs(_table(receipt)), kept,
        tuple(sorted(
            ((start, None if end == NULL else end, table, reason, detail) for start, end, table, reason, detail in zip(
                ints(holes, "ts_ns").tolist(), ends, texts(holes, "table"), texts(holes, "reason"),
                texts(holes, "detail"), strict=True)), key=lambda gap: (gap[0], gap[2]))),
        errors[0] if errors else None, int(late[late != NULL].sum()),
    )


def _table(table: Tabular | None) -> pa.Table:
    return pa.table({}) if table is None else arrow(table)


def _lost(table: pa.Table) -> dict[str, dict[str, int | None]]:
    names = texts(table, "table")
    lost: dict[str, dict[str, int | None]] = {name: dict.fromkeys(_CAUSES) for name in names}
    for cause in _CAUSES:
        for name, count in zip(names, ints(table, cause).tolist(), strict=True):
            if count != NULL:
                lost[name][cause] = (lost[name][cause] or 0) + count
    return lost


def _costs(table: pa.Table) -> tuple[Cost, ...]:
    parts = np.array(texts(table, "part"), dtype=np.str_)
    order = sorted(set(parts.tolist()), key=lambda part: (part not in _PARTS, list(_PARTS).index(part) if part in _PARTS
                                                          else 0, part))
    columns = {name: ints(table, name) for name in
               ("span_ns", "user_ns", "system_ns", "run_ns", "private_bytes", "sent_bytes", "runs")}

    def total(name: str, mine: Any) -> int | None:
        known = columns[name][mine]
        known = known[known != NULL]
        return int(known.sum()) if known.size else None

    costs = []
    for part in order:
        mine = parts == part
        times = [total("user_ns", mine), total("system_ns", mine), total("run_ns", mine)]
        cpu = None if all(t is None for t in times) else sum(t or 0 for t in times)
        span, memory = total("span_ns", mine), columns["private_bytes"][mine]
        known = memory[memory != NULL]
        costs.append(Cost(part, cpu, None if cpu is None or not span else cpu / span,
                          int(known.max()) if known.size else None, total("sent_bytes", mine), total("runs", mine)))
    return tuple(costs)


def blocks(info: Info) -> list[Block]:
    """The receipt in words and tables: cost, loss, gaps, clock."""
    elf = next((cost for cost in info.costs if cost.part == "elf"), None)
    rows = sum(kept.rows for kept in info.kept)
    lost = sum(count or 0 for kept in info.kept for count in kept.lost.values())
    unknown = any(count is None for kept in info.kept for count in kept.lost.values())
    tiles = [
        Tile("Rows kept", format_count(rows), f"in {len(info.kept)} tables"),
        Tile("Events lost", format_count(lost), "as far as this kernel can tell" if unknown else "all causes counted"),
    ]
    if elf is not None:
        tiles += [
            Tile("Recorder's CPU", _or_unknown(elf.cpu_ratio, format_ratio), "of one CPU"),
            Tile("Recorder's memory", _or_unknown(elf.private_bytes, format_bytes), "private, without the rings"),
        ]
    if info.clock_error_ns is not None:
        tiles.append(Tile("Times are right to", "± " + format_duration(info.clock_error_ns), "of the node's clock"))
    made: list[Block] = [
        Tiles(tiles), Heading("What it cost the node"), _cost_table(info), Heading("What was kept and lost"),
        _loss_table(info),
    ]
    if unknown and info.kept:
        made.append(Note("? means that this kernel does not count it: it may have happened."))
    if info.late:
        made.append(Paragraph(f"{format_count(info.late)} rows came after their second had been closed; live alarms "
                              "did not see them, this report does."))
    made.append(Heading("Gaps"))
    made.append(Table(
        [Col("from (UTC)"), Col("lasted", "number"), Col("table"), Col("reason"), Col("in words")],
        [[format_utc(start), "to the end" if end is None else format_duration(end - start), table or "all",
          reason.replace("_", " "), detail] for start, end, table, reason, detail in info.gaps],
        empty="None: every second was watched from the first to the last.",
    ))
    return made


def _or_unknown(value: float | None, form: Any) -> str:
    return "?" if value is None else str(form(value))


def _cost_table(info: Info) -> Table:
    rows = []
    for cost in _by_probe(info.costs):
        program = cost.part.startswith("program:")
        rows.append([
            f"BPF programs of {cost.part.removeprefix('program:')}" if program else _PARTS.get(cost.part, cost.part),
            _or_unknown(cost.cpu_ns, format_duration), _or_unknown(cost.cpu_ratio, format_ratio),
            "" if program else _or_unknown(cost.private_bytes, format_bytes),
            "" if cost.sent_bytes is None else format_bytes(cost.sent_bytes),
            "" if cost.runs is None else format_count(cost.runs),
        ])
    return Table([Col("part"), Col("CPU time", "number"), Col("of one CPU", "number"), Col("most memory", "number"),
                  Col("sent", "number"), Col("runs", "number")], rows,
                 note="The time of BPF programs is borne by what was traced. The table receipt has each program.",
                 empty="The recording holds no receipt: what it cost is not known.")


def _by_probe(costs: tuple[Cost, ...]) -> list[Cost]:
    """All programs of a probe as one part: a probe may have dozens."""
    parts: dict[str, Cost] = {}
    for cost in costs:
        name = cost.part.partition("/")[0]
        if name in parts:
            before = parts[name]
            cost = before._replace(
                cpu_ns=_plus(before.cpu_ns, cost.cpu_ns), cpu_ratio=_plus(before.cpu_ratio, cost.cpu_ratio),
                runs=_plus(before.runs, cost.runs),
            )  # fmt: skip
        parts[name] = cost._replace(part=name)
    return list(parts.values())


def _plus(left: Any, right: Any) -> Any:
    """The sum of what is known."""
    return right if left is None else left if right is None else left + right


def _loss_table(info: Info) -> Table:
    heads = {"reserve_failed": "ring full", "map_full": "map full", "prog_missed": "program skipped",
             "buffer_dropped": "not read in time"}
    rows = [[kept.table, format_count(kept.rows),
             *(_or_unknown(kept.lost[cause], format_count) if cause in kept.lost else "0" for cause in _CAUSES)]
            for kept in info.kept]
    columns = [Col("table", "code"), Col("rows kept", "number"), *(Col(heads[cause], "number") for cause in _CAUSES)]
    return Table(columns, rows, empty="The recording holds no coverage: what was watched is not known.")
