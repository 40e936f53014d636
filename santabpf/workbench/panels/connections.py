"""The connections that ended in the window: those that failed first, then the longest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...display.words import Col, Table, Words
from ...units import format_bytes, format_count, format_duration, format_utc
from ..part import Part, left, not_recorded, sentence
from ..view import Filter

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "network", 1
TITLE = "Connections"
ABOUT = "Of TCP that ended, or could not be made: first those that failed, then the longest. Click one: its process."
MOST_ROWS = 20


def parts(investigation: Investigation) -> list[Part]:
    """One table; a click on a row filters by the process, or by the peer where no process is known."""
    lens, view = investigation.lens, investigation.view
    if not lens.has("tcp"):
        return [sentence(not_recorded("single connections", "tcp"))]
    found = lens.ask(view, f"""SELECT ts_ns, node, tgid::bigint AS tgid, start_ns, comm, direction, remote_ip,
        remote_port, local_port, ended, lifetime_ns, connect_ns, sent_bytes, received_bytes, retransmits FROM [tcp]
        ORDER BY ended = 'closed', lifetime_ns DESC NULLS LAST, ts_ns, local_port LIMIT {MOST_ROWS}""").to_pylist()
    rows, picks = [], []
    for row in found:
        rows.append([
            format_utc(row["ts_ns"], date=False), row["comm"] or "(not known)",
            {"out": "to", "in": "from"}.get(row["direction"], "with"), _end(row["remote_ip"], row["remote_port"]),
            row["ended"] or "", _time(row["lifetime_ns"]), _time(row["connect_ns"]),
            format_bytes(row["sent_bytes"] or 0), format_bytes(row["received_bytes"] or 0),
            format_count(row["retransmits"] or 0)])
        picks.append(Filter("process", row["comm"] or "", row["node"], row["tgid"], row["start_ns"])
                     if row["tgid"] is not None else Filter("peer", row["remote_ip"] or ""))
    sums = lens.ask(view, "SELECT count(*) AS n, count(*) FILTER (ended <> 'closed') AS failed FROM [tcp]")
    total, failed = (format_count(sums[name][0].as_py()) for name in ("n", "failed"))
    note = left(view, f"{total} connections in this window, of which {failed} did not end in order.")
    empty = left(view, "no connection ended in this window.")
    columns = [Col("ended at", "code"), Col("process", "code"), Col(""), Col("peer", "code"), Col("how"),
               Col("lasted", "number"), Col("to connect", "number"), Col("sent", "number"), Col("received", "number"),
               Col("sent again", "number")]
    return [Part(Words(Table(columns, rows, note=note, empty=empty)), picks)]


def _end(address: str | None, port: int | None) -> str:
    host = address or "?"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _time(ns: Any) -> str:
    return "–" if ns is None else format_duration(ns)
