"""Which files were read, written, opened, waited for; and where calls on them failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.words import Col, Words
from ..lens import FILES
from ..part import Part, left, not_recorded, only_recorded, sentence
from ..ranking import Measure, rank
from ..view import Filter

if TYPE_CHECKING:
    from ..investigation import Investigation

GROUP, PLACE = "files", 0
TITLE = "Files"
ABOUT = "By the last part of the path: those of one name stand together. Click a row to see only its file."
MEASURES = (
    Measure("time in calls", "file_io", "sum(total_ns)", "ns",
            "How long reads, writes and syncs of it took, added up over all who made them."),
    Measure("calls", "file_io", "sum(calls)", "count", "Reads, writes and syncs of it."),
    Measure("data", "file_io", "sum(data_bytes)", "bytes", "What was read and written."),
    Measure("errors", "file_io", "sum(errors)", "count", "Reads, writes and syncs of it that failed."),
    Measure("slow calls", "file_io_slow", "sum(took_ns)", "ns", "Time in those calls alone that were slow one by one."),
    Measure("waits for its pages", "faults", "sum(faults)", "count",
            "How often a process stood still until a page of it was read from the disk."),
    Measure("opened", "opens", "count(*) FILTER (error IS NULL OR error = 0)", "count"),
    Measure("could not be opened", "opens", "count(*) FILTER (error <> 0)", "count"),
    Measure("no room or descriptors", "exhausted_case", "count(*)", "count"),
    Measure("changed, guarded", "security_files", "count(*)", "count"),
)


def parts(investigation: Investigation) -> list[Part]:
    """One table; a click on a row filters by the file's name."""
    lens, view = investigation.lens, investigation.view
    tables = [table for table in FILES if lens.has(table)]
    if not tables:
        return [sentence(not_recorded("files", "file_io", "opens"))]
    keys = {table: (f"(string_split({FILES[table]}, '/'))[-1]",) for table in tables}
    made = rank(lens, view, MEASURES, keys, {0: Col("file", "code")},
                left(view, "no file was touched in this window."),
                only_recorded(lens, "files", tables, "file_io", "opens"))
    return [Part(Words(made.table), [Filter("file", key[0]) for key in made.keys])]
