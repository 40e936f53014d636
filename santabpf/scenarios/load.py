"""scenario.yaml to a Scenario, strictly.

In: a folder. Out: a Scenario, or BadScenario with file, line, key and the nearest name. Never: runs its SQL (see
replay/check.py for that) or reads a recording.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .. import places
from ..errors import BadScenario, BadUsage, nearest
from ..probes import parse_probe
from ..schema import NAME, UNITS, Fields, Node, load_yaml
from ..tables import frame_tables, own_tables
from ..units import SECOND, parse_duration
from . import model as m
from .lineage import lineage
from .template import Template

FILE = "scenario.yaml"
#: What the words may fill in besides their evidence.
GIVEN = ("alarm", "node", "window", "params", "lost", "recorded", "state")
CULPRIT = ("text", "process", "parent", "starter", "cgroup", "command", "file", "mount", "peer", "listener", "function")
_THRESHOLD = re.compile(r"(>=|<=|>|<)\s*(?:\$(?P<param>[a-z][a-z0-9_]*)|(?P<number>-?\d+(?:\.\d+)?))")


def load_scenario(folder: str | Path, **params: int | float) -> m.Scenario:
    """Read and check one scenario folder; params replace defaults of its parameters. Raises BadScenario, BadUsage."""
    path = Path(folder) / FILE
    return _Loader(path, params).scenario()


def stand_in(folder: Path, why: str) -> m.Scenario:
    """What stands for a folder that can't be read as a scenario: its name, and why."""
    words = m.Words((), (), {}, (), (), (), (), (), (), ())
    path = folder / FILE
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    origin = places.origin("scenarios", path) if path.is_file() else "own"
    name, none = folder.name, ()
    return m.Scenario(
        name, name, why, folder, none, none, none, none, 0, none, {}, none, none, none, words, none, sha256, origin,
        broken=why,
    )


class _Loader:
    def __init__(self, path: Path, changed: Mapping[str, int | float]) -> None:
        self.path, self.changed = path, dict(changed)
        self.params: dict[str, m.Param] = {}
        self.evidence: dict[str, m.Evidence] = {}

    def scenario(self) -> m.Scenario:
        fields = Fields(load_yaml(self.path), self.path)
        name = fields.take("name", str)
        if name != self.path.parent.name or not NAME.fullmatch(name):
            raise fields.fail("name", f"is {name!r}, but the folder is called {self.path.parent.name!r}")
        title, summary = _line(fields.take("title", str)), _line(fields.take("summary", str))
        needs = tuple(fields.take("needs", list))
        tables = self._tables(fields, "needs", needs)
        also = tuple(fields.take("also", list, []))
        extra = {*self._tables(fields, "also", also), *frame_tables()}
        extra |= {*self._tables(fields, "if_recorded", tuple(fields.take("if_recorded", list, [])))}
        extra -= {*tables}
        min_seconds = fields.take("min_seconds", int)
        self.params = {n: self._param(n, row) for n, row in fields.take("params", Node, Node()).items()}
        for wrong in self.changed.keys() - self.params.keys():
            raise BadUsage(f"scenario {name} has no parameter {wrong!r}; {nearest(wrong, self.params)}")
        views = self._queries(fields, "views", {*tables, *extra})
        signals = self._signals(fields, tables)
        alarms = tuple(self._alarm(n, row, signals) for n, row in fields.take("alarms", Node).items())
        self.evidence = self._evidence(fields, views)
        asked = "\n".join(query.sql for query in (*views.values(), *(e.query for e in self.evidence.values())))
        words = self._words(fields.take("verdict", Node))
        explains = tuple(self._explains(row) for row in fields.take("explains", list, []))
        fields.done()
        return m.Scenario(
            name,
            title,
            summary,
            self.path.parent,
            needs,
            also,
            tables,
            tuple(sorted(table for table in extra if re.search(rf"\b{table}\b", asked))),
            min_seconds,
            tuple(self.params.values()),
            views,
            tuple(signals.values()),
            alarms,
            tuple(self.evidence.values()),
            words,
            explains,
            self._hash(),
            places.origin("scenarios", self.path),
            self.changed,
        )

    def _hash(self) -> str:
        text = self.path.read_bytes()
        return hashlib.sha256(text + json.dumps(self.changed, sort_keys=True).encode()).hexdigest()

    def _tables(self, fields: Fields, key: str, specs: tuple[Any, ...]) -> tuple[str, ...]:
        """Those of the probes' tables that this file names; a probe may come to fill others, which are not needed."""
        text, tables = self.path.read_text(encoding="utf-8"), list[str]()
        for spec in specs:
            try:
                probe, _ = parse_probe(str(spec))
            except BadUsage as exc:
                raise fields.fail(key, str(exc)) from exc
            tables += [t.name for t in probe.tables if re.search(rf"\b{t.name}\b", text)]
        return tuple(tables)

    def _param(self, name: str, row: Any) -> m.Param:
        fields = Fields(row, self.path, f"params.{name}")
        self._check_name(fields, name)
        unit, default = self._unit(fields), fields.take("default", (int, float))
        param = m.Param(
            name,
            unit,
            self.changed.get(name, default),
            _line(fields.take("description", str)),
            _line(fields.take("source", str)),
        )
        fields.done()
        return param

    def _queries(self, fields: Fields, key: str, tables: Collection[str]) -> dict[str, m.Query]:
        out = {}
        for name, row in fields.take(key, Node, Node()).items():
            inner = Fields(row, self.path, f"{key}.{name}")
            self._check_name(inner, name)
            if name in tables or name in own_tables() or name == "nodes":
                raise inner.fail("sql", f"a view can't have the name of a table, {name!r}")
            inner.take("description", str)
            out[name] = self._query(inner)
            inner.done()
        return out

    def _query(self, fields: Fields) -> m.Query:
        return m.Query(fields.take("sql", str), f"{fields.where}.sql", fields.line("sql"))

    def _signals(self, fields: Fields, tables: tuple[str, ...]) -> dict[str, m.Signal]:
        rows = fields.take("signals", Node)
        signals = {name: self._signal(name, row, tables) for name, row in rows.items()}
        for name, signal in signals.items():
            if signal.at_most is not None and signal.at_most not in signals:
                inner = Fields(rows[name], self.path, f"signals.{name}")
                raise inner.fail(
                    "at_most", f"there is no signal {signal.at_most!r}; {nearest(signal.at_most, signals)}"
                )
        return signals

    def _signal(self, name: str, row: Any, tables: tuple[str, ...]) -> m.Signal:
        fields = Fields(row, self.path, f"signals.{name}")
        self._check_name(fields, name)
        unit, description, query = self._unit(fields), _line(fields.take("description", str)), self._query(fields)
        absent = fields.take("absent", (int, str, type(None)))
        if absent not in (0, None, "last"):
            raise fields.fail("absent", f"must be 0, null or last, not {absent!r}")
        lookback = self._seconds(fields, "lookback", "0s")
        losses = []
        for table, loss in fields.take("loss", Node, Node()).items():
            inner = Fields(loss, self.path, f"signals.{name}.loss.{table}")
            if table not in tables:
                raise fields.fail("loss", f"no probe under needs fills {table!r}; {nearest(table, tables)}")
            raises, lowers = (float(inner.take(key, (int, float), 0)) for key in ("raises", "lowers"))
            within = self._seconds(inner, "within", f"{lookback}s")
            if within > lookback:
                raise inner.fail("within", f"a lost row can't reach further than the signal looks back, {lookback} s")
            losses.append(m.Loss(table, raises, lowers, within * SECOND))
            inner.done()
        signal = m.Signal(
            name, unit, description, query, absent, lookback * SECOND, tuple(losses), fields.take("at_most", str, None)
        )
        fields.done()
        return signal

    def _alarm(self, name: str, row: Any, signals: Mapping[str, m.Signal]) -> m.Alarm:
        fields = Fields(row, self.path, f"alarms.{name}")
        self._check_name(fields, name)
        signal = fields.take("signal", str)
        if signal not in signals:
            raise fields.fail("signal", f"there is no signal {signal!r}; {nearest(signal, signals)}")
        lookup = fields.take("lookup", str)
        if lookup not in m.LOOKUPS:
            raise fields.fail("lookup", f"{lookup!r} is unknown; {nearest(lookup, m.LOOKUPS)}")
        over = self._seconds(fields, "over", "1s")
        if over < 1:
            raise fields.fail("over", "must be at least one second")
        alarm = m.Alarm(
            name,
            _line(fields.take("title", str)),
            signal,
            lookup,
            over,
            self._threshold(fields, "warn"),
            self._threshold(fields, "crit"),
            self._threshold(fields, "clear"),
            self._seconds(fields, "for", "0s"),
        )
        if alarm.warn is None and alarm.crit is None:
            raise fields.fail("warn", "an alarm needs warn or crit")
        fields.done()
        return alarm

    def _threshold(self, fields: Fields, key: str) -> m.Threshold | None:
        text = fields.take(key, str, None)
        if text is None:
            return None
        match = _THRESHOLD.fullmatch(text.strip())
        if match is None:
            raise fields.fail(key, f"{text!r} is no threshold; write it like '> 0.2' or '> $name'")
        if match["param"] is not None:
            if match["param"] not in self.params:
                raise fields.fail(
                    key, f"there is no parameter {match['param']!r}; {nearest(match['param'], self.params)}"
                )
            return m.Threshold(match[1], float(self.params[match["param"]].value))  # type: ignore[arg-type]
        return m.Threshold(match[1], float(match["number"]))  # type: ignore[arg-type]

    def _evidence(self, fields: Fields, views: Mapping[str, m.Query]) -> dict[str, m.Evidence]:
        out = {}
        for name, row in fields.take("evidence", Node).items():
            inner = Fields(row, self.path, f"evidence.{name}")
            self._check_name(inner, name)
            if name in GIVEN or name.startswith("recording_"):
                raise inner.fail("title", f"{name!r} is taken")
            title, process = _line(inner.take("title", str)), inner.take("ancestors_of", str, None)
            query = self._query(inner) if process is None else self._lineage(inner, process, views)
            out[name] = m.Evidence(name, title, query)
            inner.done()
        return out

    def _lineage(self, fields: Fields, process: str, views: Mapping[str, m.Query]) -> m.Query:
        among = fields.take("among", str, "people")
        if among not in views:
            raise fields.fail("ancestors_of", f"there is no view {among!r} of all processes; {nearest(among, views)}")
        line = fields.line("ancestors_of")
        return m.Query(lineage(process.strip(), among), f"{fields.where}.ancestors_of", line)

    # ------------------------------------------------------------------------------------------------------- words

    def _words(self, row: Node) -> m.Words:
        fields = Fields(row, self.path, "verdict")
        culprit = Fields(fields.take("culprit", Node), self.path, "verdict.culprit")
        culprit_evidence = self._names(culprit)
        parts = {key: self._template(culprit, key) for key in CULPRIT if culprit.take(key, str, None) is not None}
        culprit.done()
        words = m.Words(
            self._each(fields, "fired", self._sentence, needed=True),
            self._each(fields, "quiet", self._sentence, needed=True),
            parts,
            culprit_evidence,
            self._each(fields, "impact", self._sentence, needed=True),
            self._each(fields, "ruled_out", self._cause),
            self._each(fields, "could_not_tell", self._sentence),
            self._each(fields, "next_steps", self._step, needed=True),
            self._each(fields, "timeline", self._moment),
            self._each(fields, "doubts", self._doubt),
        )
        fields.done()
        return words

    def _explains(self, row: Any) -> m.Explains:
        fields = Fields(row, self.path, "explains")
        explained = fields.take("scenario", str)
        when, text = (
            Template(fields.take(key, str), self.path, f"explains.{key}", fields.line(key), key == "if")
            for key in ("if", "text")
        )
        for template in (when, text):
            template.check(dict.fromkeys([*self.evidence, "symptom"]))
        out = m.Explains(explained, when, text, self._names(fields))
        fields.done()
        return out

    def _each(self, fields: Fields, key: str, make: Any, *, needed: bool = False) -> tuple[Any, ...]:
        rows = fields.take(key, list) if needed else fields.take(key, list, [])
        out = []
        for row in rows:
            inner = Fields(row, self.path, f"verdict.{key}")
            out.append(make(inner))
            inner.done()
        return tuple(out)

    def _template(self, fields: Fields, key: str, *, condition: bool = False, row: bool = False) -> Template:
        template = Template(fields.take(key, str), self.path, f"{fields.where}.{key}", fields.line(key), condition)
        template.check(dict.fromkeys([*GIVEN, *self.evidence, *(["row"] if row else [])]))
        return template

    def _optional(self, fields: Fields, key: str, *, condition: bool = False) -> Template | None:
        return self._template(fields, key, condition=condition) if fields.take(key, str, None) is not None else None

    def _names(self, fields: Fields) -> tuple[str, ...]:
        value = fields.take("evidence", (str, list))
        names = (value,) if isinstance(value, str) else tuple(value)
        for name in names:
            if name not in self.evidence:
                raise fields.fail("evidence", f"there is no evidence {name!r}; {nearest(str(name), self.evidence)}")
        if not names:
            raise fields.fail("evidence", "every sentence needs evidence")
        return names

    def _sentence(self, fields: Fields) -> m.Sentence:
        return m.Sentence(
            self._template(fields, "text"), self._names(fields), self._optional(fields, "if", condition=True)
        )

    def _cause(self, fields: Fields) -> m.Cause:
        return m.Cause(
            _line(fields.take("cause", str)),
            self._template(fields, "if", condition=True),
            self._template(fields, "text"),
            self._template(fields, "otherwise"),
            self._names(fields),
        )

    def _step(self, fields: Fields) -> m.Step:
        return m.Step(
            self._template(fields, "text"),
            self._optional(fields, "check"),
            self._names(fields),
            self._optional(fields, "if", condition=True),
        )

    def _moment(self, fields: Fields) -> m.Moment:
        names = self._names(fields)
        return m.Moment(self._template(fields, "text", row=True), names[0], fields.take("at", str))

    def _doubt(self, fields: Fields) -> m.Doubt:
        level = fields.take("level", str)
        if level not in ("medium", "low"):
            raise fields.fail("level", f"must be medium or low, not {level!r}")
        return m.Doubt(
            self._template(fields, "if", condition=True), self._template(fields, "text"), level, self._names(fields)
        )

    # ------------------------------------------------------------------------------------------------ small pieces

    def _check_name(self, fields: Fields, name: str) -> None:
        if not NAME.fullmatch(name):
            raise BadScenario(f"{self.path}:{fields.node.line}: {fields.where}: the name must match [a-z][a-z0-9_]*")

    def _unit(self, fields: Fields) -> str:
        unit: str = fields.take("unit", str)
        if unit not in UNITS:
            raise fields.fail("unit", f"{unit!r} is unknown; {nearest(unit, UNITS)}")
        return unit

    def _seconds(self, fields: Fields, key: str, default: str) -> int:
        try:
            ns = parse_duration(fields.take(key, (str, int), default))
        except ValueError as exc:
            raise fields.fail(key, str(exc)) from exc
        if ns % SECOND:
            raise fields.fail(key, "must be whole seconds")
        return ns // SECOND


def _line(text: str) -> str:
    return " ".join(text.split())
