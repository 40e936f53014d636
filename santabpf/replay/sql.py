"""SQL as text and as a tree: views of tables, queries put together, what a query reads, and errors with their line.

In: table schemas, parts, SELECTs out of scenario.yaml, trees that DuckDB's parser made. Out: SQL, and sets of names.
Pure: no database, no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import nearest
from ..units import SECOND

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {"int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN", "string": "VARCHAR"}
#: Where cgroups are mounted: version 2 alone or beside version 1, and those of version 1 that name processes.
_MOUNTS = re.compile(r"^/sys/fs/cgroup/((unified|memory|pids)/)?")

#: Functions whose answer depends on the order of rows, on chance, on the clock or on the place: never in a scenario.
UNSTABLE = frozenset(
    {
        "first",
        "last",
        "any_value",
        "arbitrary",
        "mode",
        "arg_max",
        "argmax",
        "max_by",
        "arg_min",
        "argmin",
        "min_by",
        "arg_max_null",
        "arg_min_null",
        "approx_count_distinct",
        "approx_quantile",
        "approx_top_k",
        "reservoir_quantile",
        "random",
        "setseed",
        "uuid",
        "uuidv4",
        "uuidv7",
        "gen_random_uuid",
        "now",
        "today",
        "current_timestamp",
        "get_current_timestamp",
        "transaction_timestamp",
        "current_date",
        "get_current_time",
        "current_localtime",
        "current_localtimestamp",
        "age",
        "current_setting",
        "getvariable",
        "getenv",
        "nextval",
        "currval",
        "txid_current",
        "version",
        "current_user",
        "current_role",
        "current_schema",
        "current_schemas",
        "current_database",
        "current_query",
        "current_connection_id",
        "current_transaction_id",
        "current_query_id",
        "session_user",
        "user",
        "sleep_ms",
        "write_log",
        "hash",
        "md5_number",
        "in_search_path",
    }
)
#: Table functions that read nothing from outside.
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})


class Part(NamedTuple):
    """One Parquet file and the node whose rows it holds."""

    path: str
    node: str


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def type_name(kind: pa.DataType) -> str:
    """DuckDB's name for the Arrow type of a column."""
    return _TYPES.get(str(kind), "VARCHAR[]")


def view(
    schema: pa.Schema,
    parts: Sequence[Part],
    from_ns: int | None = None,
    to_ns: int | None = None,
    later: Sequence[pa.Field] = (),
) -> str:
    """A SELECT of all rows of these parts whose second is in [from_ns, to_ns), with the columns node and second.

    later: columns of the schema that these parts do not have, which are null in all rows.

    A row belongs to the second in which it ended; one that stands for a span, to the second its middle lies in.
    """
    spans = "span_ns" in schema.names
    if not parts:
        columns = [f'CAST(NULL AS {type_name(f.type)}) AS "{f.name}"' for f in schema if f.name != "node"]
        return f"SELECT {', '.join(columns)}, CAST(NULL AS VARCHAR) AS node, CAST(NULL AS BIGINT) AS second WHERE false"
    moment = "(ts_ns - span_ns // 2)" if spans else "ts_ns"
    limits = (
        [] if from_ns is None else [f"ts_ns >= {int(from_ns)}"]
    )  # of the middle too: it is never later than the end
    if spans and from_ns is not None:
        limits.append(f"{moment} >= {int(from_ns)}")
    if to_ns is not None:
        limits.append(f"{moment} < {int(to_ns)}")
    where = f" WHERE {' AND '.join(limits)}" if limits else ""
    by_node: dict[str, list[str]] = {}
    for part in parts:
        by_node.setdefault(part.node, []).append(quote(part.path))
    nulls = "".join(f'CAST(NULL AS {type_name(field.type)}) AS "{field.name}", ' for field in later)
    return " UNION ALL ".join(
        f"SELECT *, {nulls}{quote(node)} AS node, {moment} - {moment} % {SECOND} AS second "
        f"FROM read_parquet([{', '.join(paths)}], hive_partitioning = false){where}"
        for node, paths in by_node.items()
    )


def scope_cgroup(scope: Mapping[str, Any] | None) -> str | None:
    """What the paths of cgroups in a recording's scope hold: the last two parts of its cgroup's path; None without one.

    >>> scope_cgroup({"cgroup": "/sys/fs/cgroup/unified/kubepods.slice/pod1/app"})
    '/pod1/app'
    """
    path = str((scope or {}).get("cgroup") or "")
    below = _MOUNTS.sub("/", path).strip("/").split("/")[-2:]
    return "/" + "/".join(below) if path else None


def facts_view(nodes: Mapping[str, Mapping[str, Any]], scope: Mapping[str, Any] | None = None) -> str:
    """The view `nodes`: one row a node, with what does not change while it is recorded."""
    part = scope_cgroup(scope)
    scoped = [f"CAST({1 if scope else 0} AS BOOLEAN)", "CAST(NULL AS VARCHAR)" if part is None else quote(part)]
    numbers = ("cpus", "memory_bytes", "page_bytes", "clock_tick_hz", "cgroup_version")
    names = ", ".join(["node", *numbers, "kernel", "machine", "is_scoped", "scope_cgroup"])
    rows = [
        "("
        + ", ".join(
            [
                quote(node),
                *(f"CAST({int(facts[n]) if facts.get(n) is not None else 'NULL'} AS BIGINT)" for n in numbers),
                *(quote(str(facts.get(n) or "")) for n in ("kernel", "machine")),
                *scoped,
            ]
        )
        + ")"
        for node, facts in sorted(nodes.items())
    ]
    if not rows:
        empty = ", ".join(f"CAST(NULL AS BIGINT) AS {n}" for n in numbers)
        rest = "'' AS kernel, '' AS machine, false AS is_scoped, CAST(NULL AS VARCHAR) AS scope_cgroup"
        return f"SELECT CAST(NULL AS VARCHAR) AS node, {empty}, {rest} WHERE false"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS facts({names})"


# ------------------------------------------------------------------------------------------- queries of a scenario


@dataclass(frozen=True)
class Text:
    """A piece of SQL, and where it stands: the file, the key, and the line its first line is on."""

    sql: str
    path: Path | None = None
    key: str = ""
    line: int = 1


class Composed(NamedTuple):
    """A whole query, and for each of its lines the piece and its line in the file.

    The same may be given in two steps: `shared`, views whose rows are made once for many queries, and `rest`, the query
    without these and all that only they need.
    """

    sql: str
    lines: list[tuple[Text, int]]
    shared: Mapping[str, Composed] = MappingProxyType({})
    rest: Composed | None = None


def compose_shared(query: Text, views: Mapping[str, Text], asked: Iterable[str]) -> Composed:
    """As compose; and the views that are the same whatever is asked (no $name of `asked` in them) can be shared.

    A view that names itself is not: it may be a recursive one.
    """
    fixed: list[str] = []
    above: list[str] = []  # a view uses these only; a later one's name in it is a column's
    for name, text in views.items():
        above.append(name)
        depends = any(re.search(rf"\${param}\b", text.sql) for param in asked)
        if not depends and all(other in fixed for other in above if _names(text.sql, other)):
            fixed.append(name)
    whole, wanted = compose(query, views), _wanted(query, views)
    loose = {name: views[name] for name in wanted if name not in fixed}
    direct = [name for name in fixed if any(_names(text.sql, name) for text in (query, *loose.values()))]
    if not direct:
        return whole
    shared = {name: compose(views[name], {n: views[n] for n in fixed[: fixed.index(name)]}) for name in direct}
    return whole._replace(shared=shared, rest=compose(query, loose))


def compose(query: Text, views: Mapping[str, Text]) -> Composed:
    """Put the views that a query names, and those that they name, before it as WITH."""
    wanted = _wanted(query, views)
    pieces: list[tuple[str, Text | None]] = []
    body = query.sql.rstrip().rstrip(";")
    if wanted:
        inner = re.match(r"(?:\s|--[^\n]*\n)*WITH\s+(?:RECURSIVE\s+)?", body, re.IGNORECASE)
        for at, name in enumerate(wanted):
            pieces += [
                ("WITH RECURSIVE " if at == 0 else ", ", None),
                (f"{name} AS (", None),
                (views[name].sql, views[name]),
                (")", None),
            ]
        if inner:
            pieces += [(",", None), ("\n" * inner[0].count("\n") + body[inner.end() :], query)]
        else:
            pieces.append((body, query))
    else:
        pieces.append((body, query))
    text: list[str] = []
    lines: list[tuple[Text, int]] = []
    for piece, source in pieces:
        rows = piece.rstrip("\n").split("\n")
        text += rows
        lines += [(source or query, (source or query).line + (at if source else 0)) for at in range(len(rows))]
    return Composed("\n".join(text), lines)


def _wanted(query: Text, views: Mapping[str, Text]) -> list[str]:
    """The views a query needs, in the order in which they are declared (a view may use only earlier ones)."""
    seen: set[str] = set()
    todo = [query.sql]
    while todo:
        text = todo.pop()
        for name in views:
            if name not in seen and _names(text, name):
                seen.add(name)
                todo.append(views[name].sql)
    return [name for name in views if name in seen]


def _names(sql: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", sql) is not None


@dataclass(frozen=True)
class Uses:
    """What a query reads and calls."""

    tables: frozenset[str]
    functions: frozenset[str]
    table_functions: frozenset[str]
    with_names: frozenset[str]
    samples: bool
    is_ordered: bool


def uses(tree: Mapping[str, Any]) -> Uses:
    """Walk a parsed query."""
    tables, functions, table_functions, names, samples = set(), set(), set(), set(), False
    for node in _walk(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            catalog = ".".join(filter(None, (node.get("catalog_name"), node.get("schema_name"))))
            tables.add(f"{catalog}.{node['table_name']}" if catalog else str(node["table_name"]))
        elif kind == "TABLE_FUNCTION":
            table_functions.add(str(node["function"].get("function_name", "")))
        elif "function_name" in node:
            functions.add(str(node["function_name"]).lower())
        if "cte_map" in node:
            names |= {str(entry["key"]) for entry in node["cte_map"].get("map", ())}
        samples = samples or node.get("sample") is not None
    functions -= table_functions
    ordered = any(m.get("type") == "ORDER_MODIFIER" for m in tree.get("modifiers", ()))
    return Uses(
        frozenset(tables - names), frozenset(functions), frozenset(table_functions), frozenset(names), samples, ordered
    )


def _walk(value: Any) -> Iterator[Mapping[str, Any]]:
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield value
            todo += value.values()
        elif isinstance(value, list):
            todo += value


# ------------------------------------------------------------------------------------------------------- errors


def where(query: Composed) -> str:
    """file:line: key: of a scenario's query, to begin a message with; '' for one that stands in no file."""
    source, _ = query.lines[-1]
    return "" if source.path is None else f"{source.path}:{source.line}: {source.key}: "


def explain(message: str, query: Composed, tables: Mapping[str, Iterable[str]]) -> str:
    """DuckDB's error in one sentence, with file and line of scenario.yaml and the nearest name where one is wrong."""
    first = message.split("\n\n")[0].strip().split("\n")[0]
    first = re.sub(r"^(?:\w+ )+Error: ", "", first).rstrip("!.")
    hint = ""
    if match := re.search(r"Table with name \"?([\w.]+)\"? does not exist", message):
        first, hint = f"there is no table {match[1]!r}", nearest(match[1], tables)
    elif match := re.search(r'(?:Referenced column|column named|does not have a column named) "([^"]+)"', message):
        known = {column for name in tables for column in tables[name]}
        first, hint = f"there is no column {match[1]!r}", nearest(match[1], known)
    elif match := re.search(r"unknown parameter \$(\w+)", message):
        first = f"there is no parameter ${match[1]}"
    where = ""
    source, line = query.lines[0]
    if match := re.search(r"^LINE (\d+):", message, re.MULTILINE):
        source, line = query.lines[min(int(match[1]), len(query.lines)) - 1]
    if source.path is not None:
        where = f"{source.path}:{line}: {source.key}: "
    return f"{where}{first}" + (f"; {hint}" if hint else "")
