"""The process tree over time: who lived when, and who started whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ...charts import process_tree
from ..part import Part, not_recorded, sentence
from ..view import Filter, View

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "who", 1
TITLE = "Process tree over time"
ABOUT = "Each box is a process, below the one that started it; red at its end: it failed. Click one to see only it."
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
                             window=view.window, most=MOST_BOXES)
    if not info.processes:
        return [sentence("No process started or ended in this window"
                         + (", of those that the filters leave." if view.filters else "."))]
    picks = [Filter("process", p.command, p.node, p.tgid, p.identity_ns) for p in info.processes]
    return [Part(process_tree.lanes(info), picks)]


def _rows(investigation: Investigation, view: View, table: str) -> pa.Table:
    """The rows that the view leaves; of many, those of the processes that took the most CPU."""
    lens = investigation.lens
    dearest = ""
    if lens.has("exit") and table != "processes":
        dearest = f"""WHERE (node, tgid, start_ns) IN (SELECT (node, tgid, start_ns) FROM [exit]
            ORDER BY cpu_ns DESC, ts_ns, tgid LIMIT {MOST_BOXES})"""
        dearest += "" if table == "exit" else """
            OR (node, tgid, start_ns) NOT IN (SELECT (node, tgid, start_ns) FROM [exit] WHERE tgid IS NOT NULL)"""
    only = view if table != "processes" else View(view.window)
    return lens.ask(only, f"SELECT {_COLUMNS[table]} FROM [{table}] {dearest} LIMIT {4 * MOST_BOXES}", lives=True)
