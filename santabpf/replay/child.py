"""The process in which DuckDB runs: locked down, bounded, and killed by its parent when it takes too long.

In: requests, one JSON object a line, on standard input. Out: answers on the descriptor that was standard output: two
lengths (u32, u64, little-endian), a JSON object, then Arrow IPC. Never: another file than those below the folder it was
given, the network, an extension, an environment variable, a setting changed by a query. It is run as a file, by its
path, and imports nothing of SantaBPF.

    {"parse": "select ..."}                                                     -> the query as a tree
    {"views": {name: "select ..."}, "shared": {name: [key, "select ..."]}, "sql": "...", "params": {...}, "keep": 50}
                                                                                -> count, and rows (all, or `keep`)

`views` are there for one query. The rows of a `shared` one are made once, and serve until it comes with another key.
"""

from __future__ import annotations

import io
import json
import os
import queue
import resource
import struct
import sys
import threading
from typing import Any

HEADER = struct.Struct("<IQ")
KIND = {
    "OutOfMemoryException": "memory",
    "MemoryError": "memory",
    "ArrowMemoryError": "memory",
    "PermissionException": "refused",
}


def open_database(folder: str) -> Any:
    """An empty database that can read below `folder` and can no longer be told anything else."""
    import duckdb

    con = duckdb.connect(
        ":memory:",
        config={
            "threads": "1",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    quoted = folder.replace("'", "''")
    for setting in (
        f"allowed_directories = ['{quoted}']",
        "temp_directory = ''",
        "preserve_insertion_order = true",
        "TimeZone = 'UTC'",
        "enable_progress_bar = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        con.execute(f"SET {setting}")
    return con


def parse(con: Any, sql: str) -> dict[str, Any]:
    """The tree of one SELECT, and the names of its parameters."""
    statement = one_select(sql)
    (text,) = con.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    tree = json.loads(text)
    if tree.get("error"):
        raise ValueError(f"{tree.get('error_message')} (write it without PIVOT and the like)")
    return {"tree": tree["statements"][0]["node"], "params": sorted(statement.named_parameters)}


def one_select(sql: str) -> Any:
    """The only statement of this text, which must be a SELECT."""
    import duckdb

    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise PermissionError(f"holds {len(statements)} statements; it must be one SELECT")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise PermissionError(f"is a {statements[0].type.name}; only SELECT can be used here")
    return statements[0]


def params_of(statement: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that a statement names."""
    wanted = statement.named_parameters
    if missing := sorted(wanted - given.keys()):
        raise ValueError(f"unknown parameter ${missing[0]}")
    return {key: value for key, value in given.items() if key in wanted}


def share(con: Any, request: dict[str, Any], made: dict[str, str]) -> None:
    """Make the tables behind shared views, unless they are there. made: view -> its table, one at a time."""
    for name, (key, sql) in request["shared"].items():
        table = f"shared_{key}"
        if made.get(name) != table:
            request["making"] = name
            params = params_of(one_select(sql), request["params"])
            if name in made:
                con.execute(f'DROP TABLE temp."{made.pop(name)}"')
            con.execute(f'CREATE TEMP TABLE "{table}" AS ({sql}\n)', params)
            made[name] = table
            del request["making"]
    for name in request["shared"]:
        con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT * FROM temp."{made[name]}"')


def run(con: Any, request: dict[str, Any], made: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """Make the views, run the query, and pack what came out."""
    import pyarrow as pa

    params = params_of(one_select(request["sql"]), request["params"])
    try:
        for name, view in request["views"].items():
            con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {view}')
        share(con, request, made)
        reader = con.execute(request["sql"], params).to_arrow_reader(1 << 16)
        keep, count, sink = request["keep"], 0, io.BytesIO()
        with pa.ipc.new_stream(sink, reader.schema) as writer:
            for batch in reader:
                if keep is None or count < keep:
                    writer.write_batch(batch if keep is None else batch.slice(0, keep - count))
                count += batch.num_rows
    finally:
        for name in (*request["views"], *request["shared"]):
            con.execute(f'DROP VIEW IF EXISTS temp."{name}"')
    return {"count": count}, sink.getvalue()


def answer(con: Any, request: dict[str, Any], made: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """One request to one answer; an error is an answer too."""
    try:
        return (parse(con, request["parse"]), b"") if "parse" in request else run(con, request, made)
    except Exception as exc:
        kind = "refused" if isinstance(exc, PermissionError) else KIND.get(type(exc).__name__, "sql")
        return {"error": str(exc), "kind": kind, "in": request.get("making")}, b""


def mapped_bytes() -> int:
    """Address space in use now, by the libraries themselves: far more than they ever touch."""
    import pyarrow.ipc  # noqa: F401 - so that it is counted

    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def main(folder: str, memory_bytes: int) -> None:
    """Serve until standard input ends; then stop at once, even in the middle of a query."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    con = open_database(folder)
    mapped = mapped_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes, mapped + memory_bytes))
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    made: dict[str, str] = {}

    def listen() -> None:
        for line in sys.stdin.buffer:
            requests.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        head, rows = answer(con, json.loads(requests.get()), made)
        text = json.dumps(head).encode()
        out.write(HEADER.pack(len(text), len(rows)) + text)
        out.write(rows)
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
