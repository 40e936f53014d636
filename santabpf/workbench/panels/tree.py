"""The process tree over time: who lived when, and who started whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ...charts import process_tree
from ...charts.lives import Key
from ..part import Part, left, not_recorded, sentence
from ..view import Filter, View, Window

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "who", 1
TITLE = "Process tree over time"
ABOUT = ("Each box is a process, below the one that started it; red at its end: it failed. "
         "Click one to see only it, with whom it started.")
#: Processes that are drawn; those that took the most CPU, and their ancestors.
MOST_BOXES = 3000
_WHO = "ts_ns, node, tgid::bigint AS tgid, start_ns, ptgid::bigint AS ptgid, comm"
_COLUMNS = {
    "fork": f"{_WHO}, pstart_ns",
    "exec": f"{_WHO}, pstart_ns, argv[1:12] AS argv",
    "exit": f"{_WHO}, pstart_ns, lifetime_ns, cpu_ns, code, signal",
    "processes": f"{_WHO}, argv[1:12] AS argv",
}


def parts(investigation: Investigation) -> list[Part]:
    """One picture; a click on a box filters by its process."""
    lens, view = investigation.lens, investigation.view
    if not any(lens.has(table) for table in ("fork", "exec", "exit")):
        return [sentence(not_recorded("who started whom", "fork", "exec", "exit"))]
    seen = {table: _rows(investigation, view, table) for table in _COLUMNS if lens.has(table)}
    info = process_tree.info(seen.get("fork"), seen.get("exec"), seen.get("exit"), seen.get("processes"),
                             window=view.window, most=MOST_BOXES, wanted=_chosen(view) if view.filters else None)
    if not info.processes:
        return [sentence(left(view, "no process started or ended in this window."))]
    picks = [Filter("process", p.command, p.node, p.tgid, p.identity_ns) for p in info.processes]
    return [Part(process_tree.lanes(info), picks)]


def _chosen(view: View) -> list[Key]:
    """The processes that filters name; each is drawn with those it started, whatever happened in the window."""
    return [(f.node, f.tgid or 0, f.start_ns or 0) for f in view.filters if f.kind == "process"]


def _rows(investigation: Investigation, view: View, table: str) -> pa.Table:
    """The rows that the view leaves; of many, those of the processes that took the most CPU."""
    lens, chosen = investigation.lens, _chosen(view)
    only, keep = view, ["true"]
    params: dict[str, Any] = {}
    if table == "processes":
        only = View(view.window)
    elif chosen:  # who lives through the window may have begun before it
        until = Window(investigation.everything.start_ns, view.window.end_ns)
        only = View(until, tuple(f for f in view.filters if f.kind != "process"))
        if lens.has("exit"):
            params["began"] = view.window.start_ns
            keep.append("""(node, tgid, start_ns) NOT IN (SELECT (node, tgid, start_ns) FROM [exit]
                WHERE tgid IS NOT NULL AND ts_ns < $began)""")
        for nth, key in enumerate(chosen):
            node, tgid, start = (f"$chosen{nth}_{part}" for part in ("node", "tgid", "start"))
            keep.append(f"node = {node} AND ((tgid = {tgid} AND start_ns = {start})"
                        f" OR (ptgid = {tgid} AND pstart_ns = {start}))")
            params |= dict(zip((node[1:], tgid[1:], start[1:]), key, strict=True))
    if lens.has("exit") and table != "processes":
        dearest = f"""(node, tgid, start_ns) IN (SELECT (node, tgid, start_ns) FROM [exit] WHERE {" AND ".join(keep)}
            ORDER BY cpu_ns DESC, ts_ns, tgid LIMIT {MOST_BOXES})"""
        dearest += "" if table == "exit" else """
            OR (node, tgid, start_ns) NOT IN (SELECT (node, tgid, start_ns) FROM [exit] WHERE tgid IS NOT NULL)"""
        keep.append(f"({dearest})")
    return lens.ask(only, f"""SELECT {_COLUMNS[table]} FROM [{table}] WHERE {" AND ".join(keep)}
        LIMIT {4 * MOST_BOXES}""", lives=True, **params)
