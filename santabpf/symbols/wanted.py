"""Decoded batches to what has to be named: distinct frames, distinct kernel addresses, and the mappings seen.

In: record batches of any table. Out: sets, and answers about mappings. Vectorised; Python sees distinct frames only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

#: A process has mappings from ancestors so far back at most.
_GENERATIONS = 16
#: So many are kept in memory, the latest mappings and the first addresses: some hundred MB in a recording of days.
_MAPPINGS, _ADDRESSES = 2_000_000, 500_000


class FileFrame(NamedTuple):
    """A place in a file; is_return where it is a return address."""

    build_id: str
    offset: int
    is_return: bool


class AddressFrame(NamedTuple):
    """A place in the memory of a process."""

    tgid: int
    start_ns: int
    address: int
    is_return: bool


class Mapping(NamedTuple):
    """One executable part of a file in one process."""

    ts_ns: int
    tgid: int
    address: int
    length: int
    offset: int
    path: str
    build_id: str | None


class Wanted:
    """Feed it all batches of one node; then ask."""

    def __init__(self) -> None:
        self.files: set[FileFrame] = set()
        self.addresses: set[AddressFrame] = set()
        self.kernel: set[tuple[int, bool]] = set()
        self._mappings: list[pa.RecordBatch] = []
        self._parents: dict[int, int] = {}
        self._rows = 0
        self._texts: set[tuple[str, bool]] = set()

    def add(self, table: str, rows: pa.RecordBatch, frames: Iterable[str], stacks: Iterable[str]) -> None:
        """Rows of one table; the names of its columns of user frames, and of kernel stacks."""
        if table == "mappings":
            forks = rows.filter(pc.is_valid(rows["forked_from"]))
            self._parents.update(zip(forks["tgid"].to_pylist(), forks["forked_from"].to_pylist(), strict=True))
            self._mappings.append(rows.filter(pc.is_null(rows["forked_from"])))
            self._rows += rows.num_rows
            while self._rows > _MAPPINGS and len(self._mappings) > 1:
                self._rows -= self._mappings.pop(0).num_rows
        for name in stacks:
            found = _distinct(rows, name, [])
            self.kernel.update(zip(found["frame"].to_pylist(), found["is_return"].to_pylist(), strict=True))
        for name in frames:
            found = _distinct(rows, name, [])
            self._add_texts(zip(found["frame"].to_pylist(), found["is_return"].to_pylist(), strict=True))
            plain = _distinct(rows, name, ["tgid", "start_ns"], only_addresses=True)
            columns = (plain[key].to_pylist() for key in plain.schema.names)
            for frame, is_return, tgid, start_ns in zip(*columns, strict=True):
                if tgid is not None and start_ns is not None and not self.full:
                    self.addresses.add(AddressFrame(tgid, start_ns, int(frame, 16), is_return))

    @property
    def full(self) -> bool:
        """There were so many plain addresses that no more are taken; most such are no code anyway."""
        return len(self.addresses) >= _ADDRESSES

    def _add_texts(self, found: Iterable[tuple[str, bool]]) -> None:
        for frame, is_return in set(found) - self._texts:
            self._texts.add((frame, is_return))
            build_id, plus, offset = frame.partition("+")
            if plus:
                self.files.add(FileFrame(build_id, int(offset, 16), is_return))

    def mappings_of(self, tgids: Iterable[int]) -> dict[int, list[Mapping]]:
        """What these processes mapped, the latest first; after it, what they have from those that forked them."""
        lines = {tgid: self._line(tgid) for tgid in set(tgids)}
        found: dict[int, list[Mapping]] = {}
        members = sorted({member for line in lines.values() for member in line})
        for mapping in self._select("tgid", pa.array(members, pa.int64())):
            found.setdefault(mapping.tgid, []).append(mapping)
        for mappings in found.values():
            mappings.sort(key=lambda m: -m.ts_ns)
        mapped = {tgid: [m for member in line for m in found.get(member, [])] for tgid, line in lines.items()}
        return {tgid: mappings for tgid, mappings in mapped.items() if mappings}

    def _line(self, tgid: int) -> list[int]:
        """The process, its parent, that one's parent, as far as forks were seen."""
        line = [tgid]
        while (parent := self._parents.get(line[-1])) is not None and parent not in line and len(line) < _GENERATIONS:
            line.append(parent)
        return line

    def mappings_with(self, build_ids: Iterable[str]) -> dict[str, list[Mapping]]:
        """Where files with these build ids were mapped, the latest first."""
        out: dict[str, list[Mapping]] = {}
        for mapping in self._select("build_id", pa.array(sorted(set(build_ids)), pa.string())):
            out.setdefault(str(mapping.build_id), []).append(mapping)
        for mappings in out.values():
            mappings.sort(key=lambda m: -m.ts_ns)
        return out

    def paths_without(self) -> list[str]:
        """Files that were mapped of which no build id is known."""
        found: set[str] = set()
        for rows in self._mappings:
            found.update(rows.filter(pc.is_null(rows["build_id"]))["path"].to_pylist())
        return sorted(path for path in found if path.startswith("/") and not path.startswith(("//", "/memfd:")))

    def _select(self, column: str, values: pa.Array) -> Iterable[Mapping]:
        for rows in self._mappings:
            kept = rows.filter(pc.is_in(rows[column], value_set=values))
            names = ("ts_ns", "tgid", "address", "length_bytes", "offset_bytes", "path", "build_id")
            for values_of in zip(*(kept[name].to_pylist() for name in names), strict=True):
                yield Mapping(*values_of)


def _distinct(rows: pa.RecordBatch, column: str, keys: list[str], *, only_addresses: bool = False) -> pa.Table:
    """Distinct (frame, is_return, *keys) of a column of lists; or only of those that are plain addresses."""
    lists = rows[column]
    parents = pc.list_parent_indices(lists)
    frames = pc.list_flatten(lists)
    before = pa.concat_arrays([pa.array([-1], parents.type), parents[:-1]]) if len(parents) else parents
    columns = {"frame": frames, "is_return": pc.equal(parents, before)}
    columns |= {key: rows[key].take(parents) for key in keys}
    table = pa.table(columns)
    if only_addresses:
        table = table.filter(pc.starts_with(table["frame"], "0x"))
    return table.group_by(table.schema.names).aggregate([])
