"""recording.json: what a recording is, and which parts belong to it.

In: its text, which may be broken or hostile. Out: a checked Manifest, and the text again. Never: Parquet, or a file
other than recording.json.

A part's path is no free text: it must be <table>/node=<node>/part-<number>.parquet, or part-<first>-<last>.parquet
where several were put together, so none leads out of the folder.
Keys that this version does not know are ignored; a newer format number is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from ..errors import NewerFormat, RecordingError
from ..schema import NAME, UNITS

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
FILE = "recording.json"
NODE = re.compile(r"[a-z][a-z0-9-]{0,62}")
PART = re.compile(r"part-([0-9]{6,9})(?:-([0-9]{6,9}))?\.parquet")
HASH = re.compile(r"[0-9a-f]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
State = Literal["recording", "complete", "interrupted"]
STATES = ("recording", "complete", "interrupted")
#: The only types a column can have: no uint64 (Spark turns it into decimals), no timestamps (Spark refuses ns).
TYPES = ("int32", "int64", "double", "bool", "string", "list<string>", "list<int64>")
#: The facts about a node that are kept; a host name is not among them.
NODE_FACTS: dict[str, type] = {
    "kernel": str, "machine": str, "cpus": int, "clock_tick_hz": int, "page_bytes": int, "memory_bytes": int,
    "boot_id": str, "cgroup_version": int,
}
#: A recording of a day in 1-second segments has a recording.json of about 200 MB; what is larger is no such file.
MAX_BYTES = 512 << 20
_INT64 = range(-(1 << 63), 1 << 63)


def segments(file: str) -> tuple[int, int] | None:
    """The first and the last segment whose rows a file of this name holds; None where it is no part."""
    found = PART.fullmatch(file)
    return None if found is None else (int(found[1]), int(found[2] or found[1]))


@dataclass(frozen=True)
class Part:
    """One Parquet file of one table and node."""

    path: Path  # where it is
    node: str
    rows: int
    bytes: int
    ts_min: int | None  # smallest and largest ts_ns in it; None where it has no rows
    ts_max: int | None
    sha256: str | None  # None: not listed in recording.json but found beside it ("recovered")

    @property
    def name(self) -> str:
        """Its path below the recording, with forward slashes."""
        return "/".join(self.path.parts[-3:])

    @property
    def segments(self) -> tuple[int, int]:
        """The first and the last segment whose rows are in it."""
        return segments(self.path.name) or (0, 0)

    @cached_property
    def entry(self) -> dict[str, Any]:
        """Its entry in recording.json."""
        return {
            "path": self.name, "node": self.node, "rows": self.rows, "bytes": self.bytes,
            "ts_min": self.ts_min, "ts_max": self.ts_max, "sha256": self.sha256,
        }

    @cached_property
    def line(self) -> str:
        """That entry as text; kept, since recording.json is written again with each segment."""
        return json.dumps(self.entry)


@dataclass
class Table:
    """One table of a recording: its columns and its parts."""

    name: str
    schema: str  # hash of the declaration that it was made from
    description: str
    columns: list[dict[str, str]]  # name, type, unit, description
    parts: list[Part] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts)

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of each part: unit and description in each field's metadata, the table's in the schema's."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field(c["name"], _arrow_type(c["type"]), metadata={k: c[k] for k in ("unit", "description")})
                for c in self.columns
            ],
            metadata={"table": self.name, "description": self.description},
        )


@dataclass
class Manifest:
    """All that recording.json says."""

    santabpf: str
    state: State
    created_ns: int
    window: tuple[int, int] | None
    nodes: dict[str, dict[str, Any]]
    probes: dict[str, dict[str, Any]]
    scenarios: list[str]
    scope: dict[str, Any] | None
    notes: list[str]
    tables: dict[str, Table]
    drill: dict[str, Any] | None = None  # scenario, variant, expected, also, onset_ns: what was provoked, if it was

    def dump(self) -> str:
        """The text of recording.json: one part a line."""
        start, end = self.window or (None, None)
        head = {
            "format": FORMAT, "santabpf": self.santabpf, "state": self.state, "created_ns": self.created_ns,
            "window": {"start_ns": start, "end_ns": end}, "nodes": self.nodes, "probes": self.probes,
            "scenarios": self.scenarios, "scope": self.scope, "notes": self.notes,
        } | ({"drill": self.drill} if self.drill else {})
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        tables = []
        for table in self.tables.values():
            columns = ",\n    ".join(json.dumps(c) for c in table.columns)
            parts = ",\n    ".join(part.line for part in table.parts)
            tables.append(
                f'  {json.dumps(table.name)}: {{"schema": {json.dumps(table.schema)}, "rows": {table.rows},\n'
                f'   "description": {json.dumps(table.description)},\n'
                f'   "columns": [\n    {columns}],\n   "parts": [\n    {parts}]}}'
            )
        lines.append(' "tables": {\n' + ",\n".join(tables) + "}")
        return "{\n" + ",\n".join(lines) + "\n}\n"


def declare(schema: pa.Schema, name: str, hash: str) -> Table:
    """A Table without parts, out of an Arrow schema that carries units and descriptions."""
    columns = []
    for column in schema:
        meta = column.metadata or {}
        columns.append({
            "name": column.name,
            "type": type_name(column.type),
            "unit": meta.get(b"unit", b"none").decode(),
            "description": meta.get(b"description", b"").decode(),
        })
    return Table(name, hash, (schema.metadata or {}).get(b"description", b"").decode(), columns)


def type_name(kind: pa.DataType) -> str:
    """How recording.json calls an Arrow type; for one it has no word for, Arrow's own."""
    text = str(kind)
    if text.startswith("list<"):  # Arrow tells the name of its element too
        return next((f"list<{of}>" for of in ("string", "int64") if text.endswith(f": {of}>")), text)
    return text


def _arrow_type(name: str) -> pa.DataType:
    import pyarrow as pa

    return {"int32": pa.int32(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_(),
            "string": pa.string(), "list<string>": pa.list_(pa.string()), "list<int64>": pa.list_(pa.int64())}[name]


def load(folder: Path, known: Iterable[Part] = ()) -> Manifest:
    """Read and check recording.json; parts known already are taken over. Raises RecordingError, NewerFormat."""
    path = folder / FILE
    try:
        if path.is_symlink():
            raise RecordingError(f"{path}: is a symbolic link, which a recording never has")
        if not path.is_file():
            raise FileNotFoundError
        if path.stat().st_size > MAX_BYTES:
            raise RecordingError(f"{path}: is larger than {MAX_BYTES >> 20} MiB, so it is no such file")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        what = "has no recording.json, so it is no recording" if folder.is_dir() else "is no folder"
        raise RecordingError(f"{folder}: {what}") from None
    except OSError as exc:
        raise RecordingError(f"{path}: cannot be read: {exc.strerror}") from exc
    return parse(data, folder, known)


def parse(data: bytes, folder: Path, known: Iterable[Part] = ()) -> Manifest:
    """Check the text of recording.json; parts get paths below folder. Raises RecordingError, NewerFormat."""
    return _Parser(folder, {part.name: part for part in known}).manifest(data)


class _Parser:
    """Walks parsed JSON and trusts nothing in it; every complaint names the file and the key."""

    def __init__(self, folder: Path, known: Mapping[str, Part]) -> None:
        self.folder, self.known = folder, known

    def fail(self, where: str, what: str) -> NoReturn:
        raise RecordingError(f"{self.folder / FILE}: {where + ' ' if where else ''}{what}")

    def take(self, row: dict[str, Any], key: str, kind: type, where: str, *, null: bool = False) -> Any:
        """row[key], which must be of that type."""
        name = f"{where}.{key}" if where else key
        if key not in row:
            self.fail(name, "is missing")
        value = row[key]
        if value is None and null:
            return None
        if type(value) is not kind:
            self.fail(name, f"must be {_JSON_NAMES[kind]}, not {_JSON_NAMES.get(type(value), 'a fraction')}")
        if kind is int and value not in _INT64:
            self.fail(name, "does not fit in 64 bits")
        return value

    def manifest(self, data: bytes) -> Manifest:
        try:
            root = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
            if b"\\ud" in data.lower():  # half a surrogate pair is legal JSON, but no text: it breaks whoever prints it
                json.dumps(root, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as exc:
            detail = "its brackets are nested too deep" if isinstance(exc, RecursionError) else str(exc)
            raise RecordingError(f"{self.folder / FILE}: is no JSON: {detail}") from exc
        if type(root) is not dict:
            self.fail("", "must be a JSON object")
        number = self.take(root, "format", int, "")
        if number > FORMAT:
            raise NewerFormat(
                f"{self.folder / FILE}: is of format {number}; this SantaBPF knows formats up to {FORMAT}: update it"
            )
        if number < 1:
            self.fail("format", f"{number} never existed")
        state = self.take(root, "state", str, "")
        if state not in STATES:
            self.fail("state", f"must be one of {', '.join(STATES)}, not {state!r}")
        window = self.take(root, "window", dict, "")
        start = self.take(window, "start_ns", int, "window", null=True)
        end = self.take(window, "end_ns", int, "window", null=True)
        if start is not None and end is not None and start > end:
            self.fail("window", "ends before it starts")
        nodes = self.named(root, "nodes", NODE)
        for label, facts in nodes.items():
            for key in NODE_FACTS.keys() & facts.keys():
                self.take(facts, key, NODE_FACTS[key], f"nodes.{label}", null=True)
        probes = self.named(root, "probes", NAME)
        for name, row in probes.items():
            for key, value in self.take(row, "params", dict, f"probes.{name}").items():
                if type(value) is not int or value not in _INT64:
                    self.fail(f"probes.{name}.params.{key}", "must be a whole number of 64 bits")
            self.take(row, "state", str, f"probes.{name}")
            self.take(row, "why", str, f"probes.{name}", null=True)
        tables = {
            name: self.table(name, row, nodes) for name, row in self.named(root, "tables", NAME).items()
        }
        return Manifest(
            self.take(root, "santabpf", str, ""), state, self.take(root, "created_ns", int, ""),
            None if start is None or end is None else (start, end), nodes, probes, self.texts(root, "scenarios"),
            self.take(root, "scope", dict, "", null=True), self.texts(root, "notes"), tables, self.drill(root),
        )

    def drill(self, root: dict[str, Any]) -> dict[str, Any] | None:
        """What was provoked while it was recorded; recordings of real trouble have no such key."""
        if root.get("drill") is None:
            return None
        row: dict[str, Any] = self.take(root, "drill", dict, "")
        for key in ("scenario", "variant", "expected"):
            self.take(row, key, str, "drill")
        self.take(row, "onset_ns", int, "drill", null=True)
        return {**row, "also": self.texts(row, "also")}

    def named(self, root: dict[str, Any], key: str, pattern: re.Pattern[str]) -> dict[str, dict[str, Any]]:
        """An object of objects whose keys are names of that pattern."""
        rows: dict[str, dict[str, Any]] = self.take(root, key, dict, "")
        for name in rows:
            if not pattern.fullmatch(name):
                self.fail(key, f"holds {name!r}, which is no name like {pattern.pattern}")
            self.take(rows, name, dict, key)
        return rows

    def texts(self, root: dict[str, Any], key: str) -> list[str]:
        rows: list[str] = self.take(root, key, list, "")
        if any(type(row) is not str for row in rows):
            self.fail(key, "must hold only text")
        return rows

    def table(self, name: str, row: dict[str, Any], nodes: dict[str, Any]) -> Table:
        where = f"tables.{name}"
        hash = self.take(row, "schema", str, where)
        if not HASH.fullmatch(hash):
            self.fail(f"{where}.schema", f"must be 12 hexadecimal digits, not {hash!r}")
        columns = []
        for column in self.take(row, "columns", list, where):
            if type(column) is not dict:
                self.fail(f"{where}.columns", "must hold only objects")
            columns.append({k: self.take(column, k, str, f"{where}.columns") for k in
                            ("name", "type", "unit", "description")})
            self.column(columns[-1], where)
        names = [column["name"] for column in columns]
        if names[:1] != ["ts_ns"] or len(set(names)) != len(names):
            self.fail(f"{where}.columns", "must start with ts_ns and name each column once")
        table = Table(name, hash, self.take(row, "description", str, where), columns)
        for part in self.take(row, "parts", list, where):
            if type(part) is not dict:
                self.fail(f"{where}.parts", "must hold only objects")
            table.parts.append(self.part(name, part, nodes))
        if len({part.path for part in table.parts}) != len(table.parts):
            self.fail(f"{where}.parts", "lists a part twice")
        if self.take(row, "rows", int, where) != table.rows:
            self.fail(f"{where}.rows", f"says {row['rows']}, but its parts have {table.rows} together")
        return table

    def column(self, column: dict[str, str], where: str) -> None:
        name = column["name"]
        if not NAME.fullmatch(name) or name == "node":
            self.fail(f"{where}.columns", f"holds {name!r}, which is no name of a column")
        for key, known in (("type", TYPES), ("unit", UNITS)):
            if column[key] not in known:
                self.fail(f"{where}.columns.{name}", f"has the {key} {column[key]!r}; known: {', '.join(known)}")

    def part(self, table: str, row: dict[str, Any], nodes: dict[str, Any]) -> Part:
        where = f"tables.{table}.parts"
        old = self.known.get(str(row.get("path")))
        if old is not None and old.entry == row and old.name.startswith(f"{table}/"):
            return old
        path, node = self.take(row, "path", str, where), self.take(row, "node", str, where)
        if node not in nodes:
            self.fail(where, f"speaks of a node {node!r} that is not under nodes")
        prefix = f"{table}/node={node}/"
        if not path.startswith(prefix) or not PART.fullmatch(path[len(prefix):]):
            self.fail(where, f"holds the path {path!r}; it must look like {prefix}part-000001.parquet")
        sha256 = self.take(row, "sha256", str, where)
        if not SHA256.fullmatch(sha256):
            self.fail(where, f"{path}: sha256 must be 64 hexadecimal digits")
        rows, size = self.take(row, "rows", int, where), self.take(row, "bytes", int, where)
        if rows < 0 or size < 0:
            self.fail(where, f"{path}: rows and bytes can't be negative")
        return Part(
            self.folder / table / f"node={node}" / path[len(prefix):], node, rows, size,
            self.take(row, "ts_min", int, where, null=True), self.take(row, "ts_max", int, where, null=True), sha256,
        )


_JSON_NAMES = {
    dict: "an object", list: "a list", str: "text", int: "a whole number", bool: "true or false", type(None): "null",
}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
