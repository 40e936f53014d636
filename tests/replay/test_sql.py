"""Queries put together out of pieces, and what is read off their trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from santabpf.errors import QueryFailed
from santabpf.replay.query import Query
from santabpf.replay.sql import Text, compose, compose_shared, explain, scope_cgroup

PATH = Path("scenario.yaml")


def text(sql: str, key: str, line: int) -> Text:
    return Text(sql, PATH, key, line)


def test_only_the_views_that_a_query_needs_are_put_before_it() -> None:
    views = {
        "a": text("SELECT 1 AS x", "views.a", 10),
        "b": text("SELECT x FROM a", "views.b", 20),
        "c": text("SELECT 3", "views.c", 30),
    }
    composed = compose(text("SELECT * FROM b", "signals.s", 50), views)
    with Query(None) as query:
        assert query.run(composed).table.to_pylist() == [{"x": 1}]
    assert "SELECT 3" not in composed.sql
    assert compose(text("SELECT 1", "signals.s", 50), views).sql == "SELECT 1"


@pytest.mark.parametrize("head", ["WITH", "with recursive", "-- a comment\n WITH  RECURSIVE "])
def test_a_query_with_a_with_of_its_own_keeps_it(head: str) -> None:
    views = {"a": text("SELECT 1 AS x", "views.a", 10)}
    composed = compose(text(f"{head} mine AS (SELECT x + 1 AS y FROM a)\nSELECT y FROM mine", "signals.s", 50), views)
    with Query(None) as query:
        assert query.run(composed).table.to_pylist() == [{"y": 2}]


@pytest.mark.parametrize(
    ("view", "query", "where"),
    [
        ("SELECT 1 AS x,\n nosuch\nFROM exit", "SELECT * FROM a", "scenario.yaml:11: views.a"),
        ("SELECT 1 AS x", "SELECT x\nFROM a\nWHERE nosuch > 1", "scenario.yaml:52: signals.s"),
        ("SELECT 1 AS x", "WITH m AS (\n  SELECT x FROM a)\nSELECT x,\n nosuch FROM m", "scenario.yaml:53: signals.s"),
        ("SELECT 1 AS x", "-- c\nWITH m AS (\n  SELECT nosuch FROM a)\nSELECT * FROM m", "scenario.yaml:52: signals.s"),
    ],
)
def test_errors_name_the_line_of_the_piece_they_are_in(view: str, query: str, where: str) -> None:
    composed = compose(text(query, "signals.s", 50), {"a": text(view, "views.a", 10)})
    with Query(None) as asked, pytest.raises(QueryFailed) as failed:
        asked.run(composed)
    assert str(failed.value).startswith(where)


def test_views_that_do_not_depend_on_the_incident_can_be_made_once_for_all() -> None:
    views = {
        "tools": text("SELECT 'cc' AS comm, 1 AS counted", "views.tools", 10),
        "jobs": text("SELECT * FROM exit WHERE comm IN (SELECT comm FROM tools) AND cpu_ns < $most", "views.jobs", 20),
        "counted": text("SELECT * FROM jobs WHERE node = $node", "views.counted", 30),
        "climb": text("SELECT 1 AS x UNION SELECT x + 1 FROM climb WHERE x < 3", "views.climb", 40),
    }
    found = compose_shared(text("SELECT count(*) FROM counted, climb", "evidence.e", 50), views, ("node",))
    assert found.sql == compose(text("SELECT count(*) FROM counted, climb", "evidence.e", 50), views).sql
    assert list(found.shared) == ["jobs"]
    assert "tools AS" in found.shared["jobs"].sql
    assert found.rest is not None
    assert "counted AS" in found.rest.sql
    assert "climb AS" in found.rest.sql
    assert "jobs AS" not in found.rest.sql
    assert "tools" not in found.rest.sql
    assert compose_shared(text("SELECT 1", "signals.s", 50), views, ("node",)).rest is None


def test_an_error_in_a_shared_view_names_its_line() -> None:
    views = {"a": text("SELECT 1 AS x,\n nosuch\nFROM exit", "views.a", 10)}
    composed = compose_shared(text("SELECT x\nFROM a", "signals.s", 50), views, ())
    with Query(None) as asked, pytest.raises(QueryFailed, match=r"^scenario.yaml:11: views.a.*'nosuch'"):
        asked.run(composed)
    views = {"a": text("SELECT 1 AS x", "views.a", 10)}
    composed = compose_shared(text("SELECT x,\n nosuch FROM a", "signals.s", 50), views, ())
    with Query(None) as asked, pytest.raises(QueryFailed, match=r"^scenario.yaml:51: signals.s.*'nosuch'"):
        asked.run(composed)


def test_what_a_query_uses_is_read_off_its_tree() -> None:
    query = compose(
        text(
            "WITH w AS (SELECT * FROM exit) SELECT count(*), first(tgid) FROM w JOIN exec USING (tgid), "
            "range(3), (SELECT max(ts_ns) FROM fork) ORDER BY 1",
            "signals.s",
            1,
        ),
        {},
    )
    with Query(None) as asked:
        uses = asked.uses(query)
        plain = asked.uses(compose(text("SELECT 1 FROM exit TABLESAMPLE 10%", "signals.s", 1), {}))
    assert uses.tables == {"exit", "exec", "fork"}
    assert {"first", "max", "count_star"} <= uses.functions
    assert uses.table_functions == {"range"}
    assert uses.with_names == {"w"}
    assert (uses.is_ordered, uses.samples) == (True, False)
    assert (plain.is_ordered, plain.samples) == (False, True)


def test_an_unknown_message_is_passed_on_in_one_line() -> None:
    query = compose(text("SELECT 1", "signals.s", 7), {})
    said = explain("Conversion Error: Could not convert\n\nLINE 1: SELECT 1\n        ^", query, {})
    assert said == "scenario.yaml:7: signals.s: Could not convert"


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (None, None),
        ({"tree": 7}, None),
        ({"cgroup": "/sys/fs/cgroup/unified/santabpf-drill-7/fault"}, "/santabpf-drill-7/fault"),
        ({"cgroup": "/sys/fs/cgroup/memory/web"}, "/web"),
        ({"cgroup": "/system.slice/web.service"}, "/system.slice/web.service"),
        ({"cgroup": "/sys/fs/cgroup/kubepods.slice/pod1/app/"}, "/pod1/app"),
    ],
)
def test_cgroups_in_a_scope_are_known_by_the_end_of_its_path(scope: dict[str, Any] | None, held: str | None) -> None:
    assert scope_cgroup(scope) == held
