"""Columns with units, tables of them, and YAML that is read strictly.

In: text of probe.yaml, scenario.yaml, tables.yaml. Out: frozen values, a numpy dtype or an Arrow schema derived from
them. Never: files of a recording, anything of a node.

An unknown key is an error that names file, line and the nearest key; so is a missing one, or a wrong type.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from .errors import BadScenario, nearest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

NAME = re.compile(r"[a-z][a-z0-9_]*")
#: What stands in a C struct: fixed-width integers, char arrays, and arrays of u64.
_C_TYPE = re.compile(r"(u8|u16|u32|u64|s8|s16|s32|s64)|char\[(\d+)\]|u64\[(\d+)\]")
Kind = Literal[
    "number", "clock", "start", "bool", "text", "ip", "argv", "log2", "syscall", "qname", "stack", "frames", "pad",
    "cgroup", "pod", "container",
]  # fmt: skip
#: What a column is to its reader, and how it is made from the bytes of the C field:
#:   number  the integer as it is                      -> int32, or int64 for u32, u64 and s64
#:   clock   node's monotonic ns                       -> int64, UTC ns since the epoch
#:   start   ns since boot, floored to the clock tick (as /proc knows it); 0 -> null -> int64
#:   bool    0 or not                                  -> bool
#:   text    char[N], cut at the first NUL; bytes that are no UTF-8 become \\xNN escapes -> string
#:           (with `unknown: 0` an empty one is null)
#:   ip      char[16], an IPv6 address, or an IPv4 one as ::ffff:a.b.c.d; all zero -> null -> string, a.b.c.d or IPv6
#:   argv    char[N], strings each ended by NUL        -> list<string>
#:   log2    n, standing for 2**n                      -> int64
#:   syscall number of a system call, told by prelude.bpf.c with whose it is -> string, its name
#:   qname   char[N], a name of DNS as it goes over the wire, cut at the first NUL -> string, a.b.c; a cut one ends in …
#:   stack   u64[N], kernel addresses up to the first 0, innermost first; as two's complement, so below 0
#:           -> list<int64>; empty where there was none, null where it could not be read (the first one is 1)
#:   frames  char[32 * N], entries of bpf_get_stack() with BPF_F_USER_BUILD_ID up to the first of status 0, innermost
#:           first -> list<string>, "BUILDIDHEX+0xOFFSET" in the file, or "0xADDRESS" where there is no build id;
#:           empty where there was none, null where it could not be read (the first one's status is -1);
#:           "BUILDIDHEX-0xDISTANCE" is an address that lies in front of a file in memory, where no code is
#:   pad     bytes that only align the struct          -> not in the table
#:   cgroup, pod, container: no C field, but what the path of a cgroup tells, whose kernfs id is the column named by
#:           `of` -> string, null where it is not known or tells nothing (see probes/containers.py)
KINDS: tuple[str, ...] = (
    "number", "clock", "start", "bool", "text", "ip", "argv", "log2", "syscall", "qname", "stack", "frames", "pad",
    "cgroup", "pod", "container",
)  # fmt: skip
#: Kinds of columns that are made from another one while a recording is decoded.
DERIVED = ("cgroup", "pod", "container")
#: struct bpf_stack_build_id: s32 status (1 build id, 2 address), u8 build_id[20], u64 offset or address.
FRAME_BYTES = 32
#: The controllers that a column's `tree` may name: version 1 has a hierarchy for each, with ids of its own.
TREES = ("cpu",)
UNITS = ("ns", "bytes", "count", "ratio", "id", "none")


@dataclass(frozen=True)
class Column:
    """One column: its name, its C type (None where it comes from no struct), kind, unit, and what it says."""

    name: str
    c: str | None
    kind: Kind
    unit: str
    description: str
    unknown: int | None = None  # this value means: not known; null in the table
    key: bool = False  # part of a map's key
    cumulative: bool = False  # only grows; the table holds differences between two readings
    peak: bool = False  # of a map: the largest since the recording began, over all CPUs; stands in the table as it is
    of: str | None = None  # the column from which this one is made
    level: bool = False  # what stood at that moment: a size, a limit, a length of a queue; a sum of it says nothing
    running: bool = False  # a total since something else began: neither a sum nor a mean of it says anything
    tree: str = ""  # of cgroup ids: whose hierarchy they are of, where that is not the one that names processes

    @cached_property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of this column in a recording."""
        import pyarrow as pa

        if self.kind == "bool":
            return pa.bool_()
        if self.kind in ("text", "ip", "syscall", "qname", *DERIVED):
            return pa.string()
        if self.kind in ("argv", "frames"):
            return pa.list_(pa.string())
        if self.kind == "stack":
            return pa.list_(pa.int64())
        if self.kind == "number" and self.c in ("u8", "u16", "s8", "s16", "s32"):
            return pa.int32()
        if self.kind == "number" and self.unit == "ratio":
            return pa.float64()
        return pa.int64()

    @cached_property
    def c_bytes(self) -> int:
        """The width of the C field in bytes."""
        match = _C_TYPE.fullmatch(self.c or "")
        assert match is not None
        if match[3]:
            return 8 * int(match[3])
        return int(match[2]) if match[2] else int(match[1][1:]) // 8

    @cached_property
    def c_align(self) -> int:
        """The multiple of bytes at which the C field must start. The kernel writes frames as structs."""
        if self.kind in ("stack", "frames"):
            return 8
        return 1 if (self.c or "").startswith("char") else self.c_bytes

    @cached_property
    def c_declaration(self) -> str:
        """The field as it stands in the C struct, without the semicolon."""
        match = _C_TYPE.fullmatch(self.c or "")
        assert match is not None
        if match[2] or match[3]:
            return f"{'char' if match[2] else 'u64'} {self.name}[{match[2] or match[3]}]"
        return f"{self.c} {self.name}"

    @cached_property
    def numpy_type(self) -> str:
        """numpy's name for the C field, little-endian."""
        match = _C_TYPE.fullmatch(self.c or "")
        assert match is not None
        if match[3] or self.kind == "frames":
            return f"V{self.c_bytes}"
        return f"S{match[2]}" if match[2] else f"<{'i' if match[1][0] == 's' else 'u'}{int(match[1][1:]) // 8}"


@dataclass(frozen=True)
class Schema:
    """The columns of one table, in order."""

    table: str
    description: str
    columns: tuple[Column, ...]
    title: str = ""  # what its rows are, in a few words that everybody knows

    @property
    def names(self) -> list[str]:
        """Column names as they stand in a recording (padding left out)."""
        return [c.name for c in self.columns if c.kind != "pad"]

    @property
    def fields(self) -> tuple[Column, ...]:
        """The fields of the C struct, in order: all columns but those that are made from others."""
        return tuple(c for c in self.columns if c.kind not in DERIVED)

    @property
    def needs_paths(self) -> bool:
        """Are columns made from cgroup ids?"""
        return any(column.of for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema: unit and description stand in each field's metadata, the table's in the schema's."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field(c.name, c.arrow_type, metadata={"unit": c.unit, "description": c.description})
                for c in self.columns
                if c.kind != "pad"
            ],
            metadata={"table": self.table, "description": self.description},
        )

    def dtype(self, columns: tuple[Column, ...] | None = None) -> np.dtype[Any]:
        """The packed numpy dtype of these C fields (all of the table's by default)."""
        import numpy as np

        return np.dtype([(c.name, c.numpy_type) for c in (columns or self.fields)])

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when a column's name, C type, kind or order does."""
        import hashlib

        text = ";".join(
            f"{c.name}:{c.c}:{c.kind}:{c.unknown}:{c.key}:{c.cumulative}{':peak' if c.peak else ''}{c.of or ''}{c.tree}"
            for c in self.columns
        )
        return hashlib.sha256(f"{self.table}|{text}".encode()).hexdigest()[:12]


# ---------------------------------------------------------------------------------------------------- strict YAML


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where it is: ten times as fast
    """SafeLoader that refuses a key given twice; see load_yaml."""


class Node(dict[str, Any]):
    """A YAML mapping that knows the line each key stands on."""

    line: int = 0
    lines: dict[str, int]


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Node:
    out = Node()
    out.line, out.lines = node.start_mark.line + 1, {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"a key that is no text: {key!r}", key_node.start_mark)
        if key in out:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        out[key] = loader.construct_object(value_node, deep=True)
        # where the value's own text starts: for a block scalar that is the line after the key
        block = isinstance(value_node, yaml.ScalarNode) and value_node.style in ("|", ">")
        out.lines[key] = (value_node.start_mark.line + 2) if block else key_node.start_mark.line + 1
    return out


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(path: Path) -> Node:
    """A YAML file whose root is a mapping. Raises BadScenario with file and line."""
    try:
        with open(path, encoding="utf-8") as stream:
            root = yaml.load(stream, Loader=_Loader)
    except OSError as exc:
        raise BadScenario(f"{path}: cannot be read: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise BadScenario(f"{where}: {getattr(exc, 'problem', None) or exc}") from exc
    if not isinstance(root, Node):
        raise BadScenario(f"{path}:1: must be a mapping of keys to values")
    return root


_MISSING = object()


class Fields:
    """Takes the keys of one YAML mapping one by one, and complains about what is left over.

        fields = Fields(node, path)
        name = fields.take("name", str)
        fields.done()
    """

    def __init__(self, node: Any, path: Path, where: str = "") -> None:
        if not isinstance(node, Node):
            raise BadScenario(f"{path}: {where or 'this'} must be a mapping of keys to values")
        self.node, self.path, self.where = node, path, where
        self._asked: list[str] = []

    def line(self, key: str) -> int:
        """The line on which the value of key starts (of the mapping itself where there is no such key)."""
        return self.node.lines.get(key, self.node.line)

    def fail(self, key: str, message: str) -> BadScenario:
        """An error that names file, line and key, to be raised by the caller."""
        label = f"{self.where}.{key}" if self.where else key
        return BadScenario(f"{self.path}:{self.line(key)}: {label}: {message}")

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = _MISSING) -> Any:
        """The value of key, checked to be of that type; an absent one is the default, or an error without one."""
        self._asked.append(key)
        value = self.node.get(key, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                close = difflib.get_close_matches(key, [str(k) for k in self.node if k not in self._asked], 1, 0.7)
                if close:
                    raise self.fail(close[0], f"is unknown; did you mean {key!r}?")
                raise self.fail(key, "is missing")
            return default
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join({str: "text", int: "a whole number", float: "a number", bool: "true or false",
                                  list: "a list", dict: "a mapping"}.get(k, k.__name__) for k in kinds)
            raise self.fail(key, f"must be {wanted}, not {value!r}")
        return value

    def done(self) -> None:
        """Raises BadScenario if a key was given that nobody asked for."""
        for key in self.node:
            if key not in self._asked:
                raise self.fail(key, f"unknown key; {nearest(key, self._asked)}")


def parse_columns(rows: Any, path: Path, where: str, *, c_types: bool) -> tuple[Column, ...]:
    """The `columns:` list of a table. With c_types, each column must name the type of its C field.

    Raises BadScenario.
    """
    if not isinstance(rows, list) or not rows:
        raise BadScenario(f"{path}: {where}.columns must be a list of columns")
    columns: list[Column] = []
    for row in rows:
        fields = Fields(row, path, f"{where}.columns")
        name = fields.take("name", str)
        if not NAME.fullmatch(name):
            raise fields.fail("name", f"{name!r} must match [a-z][a-z0-9_]*")
        if any(c.name == name for c in columns):
            raise fields.fail("name", f"{name!r} stands twice")
        kind = fields.take("kind", str, "number")
        of = fields.take("of", str, None)
        if of is not None and (kind not in DERIVED or not any(x.name == of for x in columns)):
            raise fields.fail("of", f"only {', '.join(DERIVED)} are made of a column that stands before them")
        if kind in DERIVED and of is None:
            raise fields.fail("kind", f"{kind!r} must say `of` which column of cgroup ids it is made")
        c = fields.take("c", str) if c_types and of is None else fields.take("c", str, None)
        if c is not None and of is not None:
            raise fields.fail("c", "a column that is made of another one has no C type")
        if c is not None and not _C_TYPE.fullmatch(c):
            raise fields.fail("c", f"{c!r} is no u8...u64, s8...s64, char[N] or u64[N]")
        if kind not in KINDS:
            raise fields.fail("kind", f"{kind!r} is unknown; {nearest(kind, KINDS)}")
        if kind == "ip" and c != "char[16]":
            raise fields.fail("c", f"an address is a char[16], not {c!r}")
        if (kind == "stack") != (c or "").startswith("u64["):
            raise fields.fail("c", f"kernel addresses (kind stack) and only they are a u64[N], not {c!r}")
        if kind == "frames" and not (c and c.startswith("char[") and int(c[5:-1]) % FRAME_BYTES == 0):
            raise fields.fail("c", f"user frames are a char[N] of {FRAME_BYTES} bytes each, not {c!r}")
        if kind == "syscall" and c != "u32":
            raise fields.fail("c", f"a system call is a u32, not {c!r}")
        unit = fields.take("unit", str, "none")
        if unit not in UNITS:
            raise fields.fail("unit", f"{unit!r} is unknown; {nearest(unit, UNITS)}")
        description = fields.take("description", str, "alignment" if kind == "pad" else _MISSING)
        columns.append(Column(
            name, c, kind, unit, " ".join(description.split()), fields.take("unknown", int, None),
            fields.take("key", bool, False), fields.take("cumulative", bool, False),
            fields.take("peak", bool, False), of, fields.take("level", bool, False),
            fields.take("running", bool, False), fields.take("tree", str, ""),
        ))
        if columns[-1].tree and columns[-1].tree not in TREES:
            raise fields.fail("tree", f"{columns[-1].tree!r} is unknown; {nearest(columns[-1].tree, TREES)}")
        fields.done()
    return tuple(columns)
