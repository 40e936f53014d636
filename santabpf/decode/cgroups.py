"""Ids of cgroups to their paths, and to what a path tells. Pure.

A program that meets a cgroup for the first time writes its path, once, into a map that all probes share (note_cgroup()
in prelude.bpf.c); the elf sends what is new in it before each tick. So the path of a cgroup is here before the second
of its first record closes, also when neither it nor its processes are there any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ..probes.containers import Belongs, belongs
from ..probes.procfs import text
from ..schema import Schema
from ..wire import BadFrame
from .columns import Values

NAMES_BYTES = 768
_WHOLE, _CUT = 1, 2
_LIMIT = 1 << 18  # of cgroups in one recording
_ROW = np.dtype([("id", "<u8"), ("names", f"V{NAMES_BYTES}"), ("depth", "<u4"), ("state", "<u4")])
#: What stands before a path whose upper parts did not fit.
CUT = "..."
_NOTHING = Belongs(None, None)
#: In the ids of cgroups that are not of the hierarchy that names processes; in those of the kernel it is never set.
TREE_BITS = {"": 0, "cpu": 1 << 63}


class Cgroups:
    """The cgroups of one recording."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}

    def take(self, payload: bytes) -> None:
        """Rows of id, names (each ended by NUL, the leaf first), their count and a state. Raises BadFrame."""
        if len(payload) % _ROW.itemsize:
            raise BadFrame(f"cgroups: {len(payload)} bytes are no multiple of {_ROW.itemsize}")
        rows = np.frombuffer(payload, _ROW)
        for number, names, depth, state in zip(*(rows[name].tolist() for name in _ROW.names or ()), strict=True):
            parts = names.split(b"\0")[:depth]
            if state not in (_WHOLE, _CUT) or len(parts) < depth:
                raise BadFrame(f"cgroups: the path of {number} is none")
            if len(self._paths) >= _LIMIT:
                raise BadFrame(f"cgroups: more than {_LIMIT}")
            top = "" if state == _WHOLE else CUT
            self._paths[number] = top + "/" + "/".join(text(part) for part in reversed(parts))

    def columns(self, schema: Schema, fields: Values | Mapping[str, Values]) -> dict[str, pa.Array]:
        """The columns of this table that are made from cgroup ids. fields: the C records, or columns of ids."""
        out: dict[str, pa.Array] = {}
        known: dict[str, tuple[list[Any], pa.Array]] = {}
        for column in schema.columns:
            if column.of is None:
                continue
            if column.of not in known:
                ids, places = np.unique(np.ascontiguousarray(fields[column.of]).view(np.uint64), return_inverse=True)
                tree = TREE_BITS[schema[column.of].tree]
                known[column.of] = [self._paths.get(number | tree) for number in ids.tolist()], pa.array(places)
            paths, at = known[column.of]
            told = [belongs(path) if path else _NOTHING for path in paths]
            values = {"cgroup": paths, "pod": [t.pod_id for t in told], "container": [t.container_id for t in told]}
            out[column.name] = pa.array(values[column.kind], pa.string()).take(at)
        return out
