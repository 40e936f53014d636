"""A scenario tried on empty tables: its SQL against the declared columns, its words against one made-up row.

In: a Scenario. Out: nothing, or BadScenario with file and line. Never: a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..errors import BadScenario, QueryFailed, nearest
from ..scenarios import NoRow, Scenario, Template
from ..scenarios import Query as Sql
from ..tables import own_tables
from .query import Limits, Query
from .signals import composed
from .sql import TABLE_FUNCTIONS, UNSTABLE


def check_scenario(scenario: Scenario, limits: Limits | None = None) -> None:
    """Try all of a scenario without a recording.

    Raises BadScenario: SQL that fails, that reads a table which `needs` does not name, or that could answer differently
    next time; words that ask for a column which is not there.
    """
    known = known_tables(scenario)
    given: dict[str, Any] = {
        "from_ns": 0,
        "to_ns": 1,
        "span_ns": 1,
        "node": "node-1",
        "label": "",
        **scenario.values,
    }
    rows: dict[str, Any] = {}
    with Query(None, limits) as query:
        for signal in scenario.signals:
            names = _try(query, scenario, signal.query, known, scenario.values)
            if not {"second", "node", "value"} <= names.keys() or names.keys() - {"second", "node", "label", "value"}:
                raise BadScenario(
                    f"{_where(scenario, signal.query)}must give second, node, value and, if wanted, label; "
                    f"it gives {', '.join(names)}"
                )
        for evidence in scenario.evidence:
            columns = _try(query, scenario, evidence.query, known | {*scenario.optional}, given)
            if not query.uses(composed(scenario, evidence.query)).is_ordered:
                raise BadScenario(
                    f"{_where(scenario, evidence.query)}needs an ORDER BY, so that it always gives the same"
                )
            rows[evidence.name] = [columns]
    _try_words(scenario, rows)


def known_tables(scenario: Scenario) -> set[str]:
    """The tables that all its SQL may read; evidence may read those of `also` and `if_recorded` besides."""
    return {*scenario.tables, *own_tables(), "nodes"}


def check_tables(scenario: Scenario, sql: Sql, read: Iterable[str], known: set[str]) -> None:
    """Raises BadScenario where SQL reads a table that is none, rather than one that a recording happens to lack."""
    for table in sorted(set(read) - known):
        raise BadScenario(f"{_where(scenario, sql)}there is no table {table!r}; {nearest(table, known)}")


def _where(scenario: Scenario, sql: Sql) -> str:
    return f"{scenario.path}:{sql.line}: {sql.key}: "


def _try(query: Query, scenario: Scenario, sql: Sql, known: set[str], params: dict[str, Any]) -> dict[str, Any]:
    """Run on empty tables; the columns with a made-up value each."""
    text, where = composed(scenario, sql), _where(scenario, sql)
    try:
        uses = query.uses(text)
    except QueryFailed as exc:
        raise BadScenario(str(exc)) from exc
    for table in sorted(uses.tables - known):
        if table in query.tables:
            raise BadScenario(f"{where}reads {table!r}, which no probe under needs fills; {nearest(table, known)}")
    check_tables(scenario, sql, uses.tables, known)
    for name in sorted(uses.table_functions - TABLE_FUNCTIONS):
        raise BadScenario(f"{where}{name}() can't be used: a scenario reads the recording's tables only")
    for name in sorted(uses.functions & UNSTABLE):
        raise BadScenario(f"{where}{name}() can't be used: its answer depends on chance, time or the order of rows")
    for name in sorted(uses.with_names & known):
        raise BadScenario(f"{where}WITH {name} hides the table of that name; call it something else")
    if uses.samples:
        raise BadScenario(f"{where}TABLESAMPLE can't be used: its answer depends on chance")
    try:
        table = query.run(text, params).table
    except QueryFailed as exc:
        raise BadScenario(str(exc)) from exc
    return {field.name: _example(str(field.type)) for field in table.schema}


def _example(kind: str) -> Any:
    if kind.startswith(("int", "uint", "decimal", "bool")):
        return 1
    return ["x"] if kind.startswith("list") else "x"


def _try_words(scenario: Scenario, rows: dict[str, Any]) -> None:
    """Render all words with one row of each evidence."""
    values: dict[str, Any] = {
        **rows,
        "alarm": {
            "name": "x",
            "title": "x",
            "state": "warn",
            "peak": "1",
            "over_s": 1,
            "threshold": "1",
            "clear": "1",
            "onset_ns": 1,
            "raised_ns": 1,
            "is_over": True,
            "label": "",
            "delay_ns": 1,
        },
        "node": {"label": "node-1", "cpus": 2, "memory_bytes": 1, "kernel": "x", "cgroup_version": 2},
        "window": {"from_ns": 0, "to_ns": 1, "duration_ns": 1, "watched": 1, "is_scoped": False},
        "params": scenario.values,
        "lost": 0,
        "recorded": dict.fromkeys(scenario.optional, True),
        "state": "fired",
    }
    words = scenario.words
    templates: list[Template | None] = list(words.culprit.values())
    for sentence in (*words.fired, *words.quiet, *words.impact, *words.could_not_tell):
        templates += [sentence.text, sentence.when]
    for cause in words.ruled_out:
        templates += [cause.holds, cause.text, cause.otherwise]
    for step in words.next_steps:
        templates += [step.text, step.check, step.when]
    for doubt in words.doubts:
        templates += [doubt.when, doubt.text]
    for template in templates:
        if template is not None:
            with suppress(NoRow):  # a second row, of which there may be one
                template.is_true(values) if template.is_condition else template.render(values)
    for moment in words.timeline:
        row = rows[moment.evidence][0]
        if moment.at not in row:
            raise BadScenario(
                f"{moment.text.where}: {moment.evidence} has no column {moment.at!r}; {nearest(moment.at, row)}"
            )
        moment.text.render({**values, "row": row})
