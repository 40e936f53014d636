"""Queries over a recording: what they see, and that they can do nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from made_up_node import START, S, World

from santabpf.errors import QueryFailed
from santabpf.recording import Recording, Writer
from santabpf.recording import open as open_recording
from santabpf.recording.manifest import declare
from santabpf.replay.child import answer, open_database
from santabpf.replay.query import Limits, Query, run
from santabpf.replay.sql import Composed, Text, compose_shared
from santabpf.tables import table_schema


def test_every_table_has_its_node_and_the_second_it_belongs_to(recording: Recording) -> None:
    rows = run(recording, "SELECT node, second, count(*) AS n FROM exit GROUP BY ALL ORDER BY ALL").to_pylist()
    assert {r["node"] for r in rows} == {"node-1"}
    assert all(r["second"] % S == 0 for r in rows)
    assert sum(r["n"] for r in rows) == 23 * 6


def test_a_row_that_stands_for_a_span_belongs_to_the_second_its_middle_lies_in(recording: Recording) -> None:
    rows = run(recording, "SELECT second, ts_ns FROM metrics ORDER BY ts_ns").to_pylist()
    assert [(r["second"] - START) // S for r in rows] == list(range(12))
    assert all(r["ts_ns"] == r["second"] + S for r in rows)


def test_the_facts_of_the_nodes_are_a_table(recording: Recording) -> None:
    assert run(recording, "SELECT cpus, clock_tick_hz, kernel FROM nodes").to_pylist() == [
        {"cpus": 2, "clock_tick_hz": 100, "kernel": "6.18"}
    ]


def test_a_query_can_be_narrowed_to_some_seconds(recording: Recording) -> None:
    with Query(recording) as query:
        sql = "SELECT count(*) AS n, min(second) AS a, max(second) AS b FROM {}"
        for table in ("exit", "metrics", "coverage"):
            row = query.run(sql.format(table), from_ns=START + 4 * S, to_ns=START + 6 * S).table.to_pylist()[0]
            assert (row["a"] - START, row["b"] - START) == (4 * S, 5 * S)
        whole = query.run("SELECT count(*) AS n FROM exit", from_ns=START, to_ns=START + S, whole=frozenset({"exit"}))
        assert whole.table.to_pylist() == [{"n": 23 * 6}]
        assert query.run("SELECT * FROM exit", from_ns=START - 9 * S, to_ns=START).total == 0


def test_all_rows_are_counted_where_only_some_are_kept(recording: Recording) -> None:
    with Query(recording) as query:
        rows = query.run("SELECT * FROM exit ORDER BY ts_ns", keep=5)
    assert (rows.table.num_rows, rows.total) == (5, 138)


def test_parameters_that_a_query_does_not_name_are_left_out(recording: Recording) -> None:
    assert run(recording, "SELECT $a + 1 AS x", {"a": 1, "b": 2}).to_pylist() == [{"x": 2}]
    with pytest.raises(QueryFailed, match=r"there is no parameter \$c"):
        run(recording, "SELECT $c", {"a": 1})


def test_the_facts_say_which_part_of_the_node_was_recorded(recording: Recording, tmp_path: Path) -> None:
    asked = "SELECT is_scoped, scope_cgroup FROM nodes"
    assert run(recording, asked).to_pylist() == [{"is_scoped": False, "scope_cgroup": None}]
    with Writer(tmp_path / "r", info=World(3).info() | {"scope": {"cgroup": "/sys/fs/cgroup/it's/here"}}):
        pass
    assert run(open_recording(tmp_path / "r"), asked).to_pylist() == [{"is_scoped": True, "scope_cgroup": "/it's/here"}]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_column_that_a_table_has_got_since_is_null(rows: int, tmp_path: Path) -> None:
    schema = table_schema("runq").arrow
    older = pa.schema([field for field in schema if field.name not in ("nice", "node")])
    made = pa.RecordBatch.from_pylist([dict.fromkeys(older.names) | {"ts_ns": START, "tgid": 7}] * rows, schema=older)
    with Writer(tmp_path / "r", info=World(3).info(), tables=[declare(older, "runq", "0" * 12)]) as writer:
        writer.append("node-1", "runq", made)
    asked = run(open_recording(tmp_path / "r"), "SELECT tgid, nice, node FROM runq")
    assert asked.to_pylist() == [{"tgid": 7, "nice": None, "node": "node-1"}] * rows


def test_nodes_are_kept_apart(tmp_path: Path) -> None:
    one, two = World(3), World(3, node="node-2")
    one.run(one.init, ["/bin/true"], 1, 5, 1)
    info = one.info()
    info["nodes"] |= two.info()["nodes"]
    with Writer(tmp_path / "r", info=info) as writer:
        for world in (one, two):
            for table, rows in world.batches().items():
                writer.append(world.node, table, rows)
    rows = run(open_recording(tmp_path / "r"), "SELECT node, count(*) AS n FROM coverage GROUP BY node ORDER BY node")
    assert [r["node"] for r in rows.to_pylist()] == ["node-1", "node-2"]
    assert run(open_recording(tmp_path / "r"), "SELECT DISTINCT node FROM exit").to_pylist() == [{"node": "node-1"}]


def test_a_path_that_looks_like_a_partition_or_holds_quotes_does_not_matter(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "node=evil" / "it's $here"
    folder.parent.mkdir()
    rows = run(world.write(folder), "SELECT DISTINCT node FROM exit").to_pylist()
    assert rows == [{"node": "node-1"}]


ATTACKS = [
    "COPY (SELECT 1) TO '{folder}/x.csv'",
    "COPY exit TO '/tmp/santabpf-stolen.csv'",
    "EXPORT DATABASE '{folder}/x'",
    "ATTACH '{folder}/x.db' AS x",
    "ATTACH ':memory:' AS x",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 2",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA threads = 2",
    "CREATE TABLE x AS SELECT 1",
    "INSERT INTO exit VALUES (1)",
    "DROP VIEW exit",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT 1; SELECT 2",
    "",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_text('{folder}/../secret.txt')",
    "SELECT * FROM read_text('{folder}/exit/../../secret.txt')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '{folder}/../secret.csv'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM 'http://127.0.0.1:9/x.parquet'",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT getenv('HOME')",
    "SELECT * FROM secret_table",
    "SELECT * FROM query('COPY exit TO ''/tmp/santabpf-stolen.csv''')",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_query_can_only_read_the_recording(attack: str, recording: Recording) -> None:
    secret_table = [1]  # a variable of Python's, which DuckDB would find by its name
    (recording.path.parent / "secret.txt").write_text("secret")
    (recording.path.parent / "secret.csv").write_text("secret\n1\n")
    before = sorted(p for p in recording.path.rglob("*"))
    with Query(recording) as query:
        with pytest.raises(QueryFailed) as failed:
            query.run(attack.format(folder=recording.path))
        assert "\n" not in str(failed.value)
        assert "secret\n" not in str(failed.value)
        assert query.run("SELECT count(*) AS n FROM exit").table.to_pylist() == [{"n": 138}]
    assert sorted(p for p in recording.path.rglob("*")) == before
    assert not Path("/tmp/santabpf-stolen.csv").exists()
    assert secret_table == [1]


def shared(recording: Recording, sql: str, of: str, **window: int) -> Callable[[Query, dict[str, int]], list[int]]:
    """Asks for the ids of a view `jobs` that is `sql`, through a query `of`."""
    composed = compose_shared(Text(of), {"jobs": Text(sql)}, ("node",))
    assert list(composed.shared) == ["jobs"]
    return lambda query, params: query.run(composed, params, **window).table["x"].to_pylist()


def test_a_shared_view_is_made_anew_where_its_sql_its_parameters_or_its_seconds_are_others(
    recording: Recording,
) -> None:
    count, once = "SELECT count(*) AS x FROM jobs", "SELECT * FROM exit WHERE cpu_ns < $most"
    with Query(recording) as query:
        for _ in range(2):
            assert shared(recording, once, count)(query, {"most": 2**60}) == [138]
            assert shared(recording, once, count)(query, {"most": 0}) == [0]
            assert shared(recording, once, count, to_ns=START + 4 * S)(query, {"most": 2**60}) == [23]
            assert shared(recording, "SELECT * FROM exec", count)(query, {}) == [138]
            assert shared(recording, once, "SELECT 2 * count(*) AS x FROM jobs")(query, {"most": 2**60}) == [276]


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
def test_a_shared_view_is_made_once_and_seen_by_those_queries_only_that_have_it(recording: Recording) -> None:
    con, made = open_database(str(recording.path)), dict[str, str]()
    request = {"views": {}, "shared": {"jobs": ["k1", "SELECT 1 AS x"]}, "sql": "SELECT x FROM jobs", "params": {}}
    for _ in range(2):
        assert answer(con, request | {"keep": None}, made)[0] == {"count": 1}
        assert made == {"jobs": "shared_k1"}
    con.execute("CREATE OR REPLACE TEMP TABLE shared_k1 AS SELECT 1 AS x UNION ALL SELECT 2")
    assert answer(con, request | {"keep": None}, made)[0] == {"count": 2}
    head, _ = answer(con, request | {"shared": {}, "keep": None}, made)
    assert "jobs does not exist" in head["error"]
    other = request | {"shared": {"jobs": ["k2", "SELECT 3 AS x"]}, "keep": None}
    assert answer(con, other, made)[0] == {"count": 1}
    assert con.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("shared_k2",)]


@pytest.mark.parametrize("attack", ["SELECT 1; SELECT 2", "COPY (SELECT 1) TO '/tmp/x'", "SELECT 1) WITH NO DATA; --"])
def test_a_shared_view_is_one_select_too(attack: str, recording: Recording) -> None:
    request = {"views": {}, "shared": {"jobs": ["k", attack]}, "sql": "SELECT 1", "params": {}, "keep": None}
    con, made = open_database(str(recording.path)), dict[str, str]()
    assert "error" in answer(con, request, made)[0]
    assert made == {}
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


def test_the_child_has_no_environment_of_ours(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANTABPF_TEST_SECRET", "hunter2")
    with Query(recording) as query:
        query.run("SELECT 1")
        assert query._child is not None
        seen = Path(f"/proc/{query._child.pid}/environ").read_bytes()
    assert b"hunter2" not in seen
    assert b"HOME=/nonexistent" in seen


def test_a_query_that_never_ends_is_stopped_in_time_and_the_next_one_runs(recording: Recording) -> None:
    endless = "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a"
    with Query(recording, Limits(seconds=3)) as query:
        query.run("SELECT 1")
        assert query._child is not None
        pid = query._child.pid
        with pytest.raises(QueryFailed, match=r"took longer than 3 s and was stopped"):
            query.run(endless)
        assert not os.path.exists(f"/proc/{pid}")
        assert query.run("SELECT count(*) AS n FROM exit").table.to_pylist() == [{"n": 138}]


@pytest.mark.parametrize(
    "eater",
    [
        "SELECT list(range) FROM range(1000000000)",
        "SELECT sum(length(s)) FROM (SELECT repeat(CAST(range AS VARCHAR), 100000) AS s FROM range(100000) ORDER BY s)",
        "SELECT * FROM range(1000000000)",
    ],
)
def test_a_query_that_eats_memory_fails_alone(eater: str, recording: Recording) -> None:
    with Query(recording, Limits(memory_bytes=512 << 20)) as query:
        with pytest.raises(QueryFailed, match="memory"):
            query.run(eater)
        assert query.run("SELECT count(*) AS n FROM exit").table.to_pylist() == [{"n": 138}]


def test_closing_leaves_no_process(recording: Recording) -> None:
    query = Query(recording)
    query.run("SELECT 1")
    assert query._child is not None
    pid = query._child.pid
    query.close()
    assert not os.path.exists(f"/proc/{pid}")


def test_the_child_ends_with_its_parent_even_in_the_middle_of_a_query(recording: Recording) -> None:
    query = Query(recording)
    query.run("SELECT 1")
    child = query._child
    assert child is not None
    assert child.stdin is not None
    child.stdin.write(
        b'{"views": {}, "shared": {}, "sql": "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a) '
        b'SELECT count(*) FROM a", "params": {}, "keep": null}\n'
    )
    child.stdin.flush()
    child.stdin.close()  # as the system does when the parent is killed
    assert child.wait(timeout=20) == 0
    child.stdin = None
    query.close()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM exitt", "there is no table 'exitt'; did you mean 'exit'?"),
        ("SELECT lifetime FROM exit", "there is no column 'lifetime'; did you mean 'lifetime_ns'?"),
        ("SELECT e.lifetim_ns FROM exit e", "there is no column 'lifetim_ns'; did you mean 'lifetime_ns'?"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT 1 +", 'syntax error at or near "+"'),
    ],
)
def test_an_error_names_what_is_wrong_and_the_nearest_name(sql: str, message: str, recording: Recording) -> None:
    with pytest.raises(QueryFailed) as failed:
        run(recording, sql)
    assert str(failed.value) == message


def test_an_error_in_a_file_names_its_line(recording: Recording) -> None:
    text = Text("SELECT second,\n  node,\n  lifetim_ns FROM exit", Path("x/scenario.yaml"), "signals.a.sql", 40)
    query = Composed(text.sql, [(text, 40), (text, 41), (text, 42)])
    with Query(recording) as asked, pytest.raises(QueryFailed) as failed:
        asked.run(query)
    assert str(failed.value).startswith("x/scenario.yaml:42: signals.a.sql: there is no column 'lifetim_ns'")
