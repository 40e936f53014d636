"""What is not known of the window: events that were lost, and times in which nobody was looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_count
from ..part import Part, sentence
from ..view import View, Window

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "overview", 1
TITLE = ABOUT = ""
#: Tables and gaps that are named; the others are counted.
MOST_NAMED = 6
_COUNTERS = ("reserve_failed", "map_full", "prog_missed", "buffer_dropped")


def parts(investigation: Investigation) -> list[Part]:
    """One sentence: no panel below says what it could not see."""
    lens, window = investigation.lens, investigation.window
    if investigation.everything.span_ns <= 0:
        return [sentence("Nothing was watched.")]
    lost = lens.ask(View(window), f"""SELECT "table", sum({' + '.join(f'coalesce({c}, 0)' for c in _COUNTERS)})::bigint
        AS lost, bool_or({' OR '.join(f'{c} IS NULL' for c in _COUNTERS)}) AS partly FROM [loss] GROUP BY ALL
        ORDER BY lost DESC, "table" """).to_pylist()
    gaps = lens.ask(View(investigation.everything), """SELECT ts_ns, end_ns, "table", reason FROM [gaps]
        ORDER BY ts_ns, "table" """).to_pylist()
    events = [f"{format_count(row['lost'])} events of `{row['table']}`" for row in lost if row["lost"]]
    unseen = []
    for gap in gaps:
        start, end = (max(gap["ts_ns"], window.start_ns), min(gap["end_ns"] or window.end_ns, window.end_ns))
        if end > start:
            of = f"`{gap['table']}`" if gap["table"] else "anything"
            unseen.append(f"{of} from {Window(start, end)}: {gap['reason'].replace('_', ' ')}")
    said = [f"Lost in this window: {_some(events)}."] if events else []
    said += [f"Not watched: {_some(unseen)}."] if unseen else []
    if any(row["partly"] for row in lost):
        said.append("This kernel can't tell all that was lost.")
    return [sentence(" ".join(said) or "Nothing was lost in this window, and all of it was watched.")]


def _some(named: list[str]) -> str:
    more = len(named) - MOST_NAMED
    return "; ".join(named[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
