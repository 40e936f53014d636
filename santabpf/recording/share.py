"""A copy of a recording that tells less about the machine where it was made; for recordings that are published.

In: a recording. Out: a new one, with one part for each node and table. What processes were called and what they were
told (comm, argv, cgroup, file names) stays: record with a scope instead. Where there is one, names of threads outside
of it, which runq tells as those that ran before, are left out, and so are rows about other cgroups, and `mappings`,
which are of all processes and have done their work once `symbols` are there; the paths of those in a scope's cgroup
begin at its parent. Addresses of the kernel stay as far apart as they were, but do not tell where this boot had put it.
Never: changes anything else in what was recorded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadUsage
from . import parquet
from .read import Recording, open
from .write import INFO, Writer

#: Where a kernel that is not moved at boot begins (x86-64), and by how much it is moved at least: Documentation/arch/
#: x86/x86_64/mm.rst, and CONFIG_PHYSICAL_ALIGN.
_KERNEL, _MOVED_BY = -0x7F000000, 2 << 20
#: Stands for every boot id. Processes are told apart within one recording of one boot, so nothing is lost.
NO_BOOT_ID = "00000000-0000-0000-0000-000000000000"
_RELEASE = re.compile(r"\d+\.\d+")


def anonymise(info: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The info of a recording with new node labels, kernels as major.minor, and no boot ids.

    labels: old -> new, for every node; in notes, too, the old ones are replaced.
    """
    out = dict(info)
    out["nodes"] = {}
    for label, facts in info["nodes"].items():
        kept = dict(facts)
        if "kernel" in kept:
            release = _RELEASE.match(kept["kernel"] or "")
            kept["kernel"] = release[0] if release else None
        if "boot_id" in kept:
            kept["boot_id"] = NO_BOOT_ID
        out["nodes"][labels[label]] = kept
    out["notes"] = [_relabel(note, labels) for note in info["notes"]]
    return out


def share(recording: Recording | str | Path, out: str | Path, labels: Mapping[str, str] | None = None) -> Recording:
    """Copy a recording, anonymised, into the new folder `out`; nodes are called node-1, node-2, ... or as labels say.

    Raises: BadUsage (existing folder, a node without label), RecordingError.
    """
    source = recording if isinstance(recording, Recording) else open(recording)
    names = dict(labels or {old: f"node-{at}" for at, old in enumerate(source.nodes, 1)})
    missing = [node for node in source.nodes if node not in names]
    if missing or len(set(names.values())) != len(names):
        raise BadUsage(f"{source.path}: each node needs a label of its own; missing: {', '.join(missing) or 'none'}")
    if source.state == "recording":
        raise BadUsage(f"{source.path}: is being written; copy it when it is done")
    info = anonymise({key: source.info[key] for key in INFO}, names)
    tables = source._manifest.tables
    moved = {node: _moved(source, node) for node in source.nodes}
    with Writer(out, info=info, segment_s=math.inf, tables=tables.values()) as writer:
        for name in sorted(tables, key=lambda name: name == "coverage"):
            for part in source.parts(name):
                rows = parquet.read_part(part, tables[name])
                if info["scope"] and name == "mappings":
                    rows = rows.slice(0, 0)
                rows = _moved_back(rows, moved[part.node])
                if name == "gaps":
                    rows = _relabel_gaps(rows, names)
                if info["scope"] and "prev_comm" in rows.column_names:
                    rows = _without_strangers(rows)
                if (info["scope"] or {}).get("cgroup"):
                    rows = _within(rows, info["scope"]["cgroup"])
                for batch in rows.to_batches():
                    writer.append(names[part.node], name, batch)
        if source.state == "interrupted":
            writer.close("interrupted")
    return open(out)


def _moved(source: Recording, node: str) -> int:
    """How far all kernel addresses of a node are moved, so that the lowest lies in the kernel's first 2 MiB."""
    import pyarrow.compute as pc

    lowest = []
    for name, table in source._manifest.tables.items():
        column = "address" if name == "symbols" else "kernel_stack"
        for part in source.parts(name) if column in table.arrow.names else ():
            if part.node == node:
                found = parquet.read_part(part, table, [column])[column]
                lowest.append(pc.min(found if name == "symbols" else pc.list_flatten(found)).as_py())
    return _KERNEL - min((at for at in lowest if at is not None), default=_KERNEL) // _MOVED_BY * _MOVED_BY


def _moved_back(rows: Any, by: int) -> Any:
    """The rows with their kernel addresses moved by so much."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "kernel_stack" in rows.column_names:
        at = rows.schema.get_field_index("kernel_stack")
        stacks = pa.concat_arrays(rows.column(at).chunks) if rows.num_rows else pa.array([], pa.list_(pa.int64()))
        moved = pa.ListArray.from_arrays(stacks.offsets, pc.add(stacks.values, by), mask=pc.is_null(stacks))
        rows = rows.set_column(at, rows.schema.field(at), moved)
    if {"address", "frame"} <= set(rows.column_names):
        at, text = rows.schema.get_field_index("address"), rows.schema.get_field_index("frame")
        addresses = pc.add(rows.column(at), by)
        frames = [frame if address is None else f"{address % (1 << 64):#018x}"
                  for frame, address in zip(rows.column(text).to_pylist(), addresses.to_pylist(), strict=True)]
        rows = rows.set_column(at, rows.schema.field(at), addresses)
        rows = rows.set_column(text, rows.schema.field(text), pa.array(frames, pa.string()))
    return rows


def _relabel(text: str, labels: Mapping[str, str]) -> str:
    for old, new in labels.items():
        text = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text)
    return text


def _relabel_gaps(rows: Any, labels: Mapping[str, str]) -> Any:
    """In `gaps` the detail is a sentence of ours, which may name a node."""
    import pyarrow as pa

    at = rows.schema.get_field_index("detail")
    details = [None if text is None else _relabel(text, labels) for text in rows.column(at).to_pylist()]
    return rows.set_column(at, rows.schema.field(at), pa.array(details, pa.string()))


def _within(rows: Any, scope: str) -> Any:
    """Whole paths of cgroups from the parent of the scope's cgroup on; null where one is no part of it.

    Rows about such a cgroup alone, and not about a process, are left out. What lies above a scope says where this
    machine keeps its cgroups, and nothing about what was recorded.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    top = "/" + "/".join(scope.strip("/").split("/")[-2:])

    def cut(path: str | None) -> str | None:
        if path is None or not path.startswith("/"):
            return path
        return path[path.index(top) :] if top in path else None

    for at, field in enumerate(rows.schema):
        if field.name in ("cgroup", "limited_cgroup"):
            rows = rows.set_column(at, field, pa.array(map(cut, rows.column(at).to_pylist()), pa.string()))
    if "cgroup" not in rows.column_names or {"tgid", "ptgid"} & set(rows.column_names):
        return rows
    return rows.filter(pc.is_valid(rows["cgroup"]))


def _without_strangers(rows: Any) -> Any:
    """`prev_comm` only where it is also the name of a thread in the scope."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at = rows.schema.get_field_index("prev_comm")
    kept = pc.is_in(rows["prev_comm"], value_set=pc.unique(rows["comm"]))
    names = pc.if_else(kept, rows["prev_comm"], pa.scalar(None, rows.schema.field(at).type))
    return rows.set_column(at, rows.schema.field(at), names)
