"""The words of a scenario: Jinja2 templates and conditions that can fill in numbers and nothing else.

In: a template's text, and values that are plain: dicts, lists, text, whole numbers. Out: one line of text.
Never: an attribute, a call, a variable, a macro, an import, a loop in a loop, a control character that came from data;
more memory or time than a sentence is worth, whatever it is filled in with.

A template is checked node by node when it is loaded; what is not on the list below is refused with its line. Without
variables and loops in loops it can do no more than its length says, times the turns of a loop; what these come to is
bounded where it is filled in.
"""

from __future__ import annotations

import re
import shlex
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from ..errors import BadScenario, nearest
from ..probes.containers import belongs
from ..units import format_bytes, format_count, format_duration, format_ratio, format_utc

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Filter,
    nodes.If,
    nodes.CondExpr,
    nodes.For,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Neg,
    nodes.Concat,
    nodes.Tuple,
    nodes.List,
)
#: What a template may come to; those that ship are filled in within milliseconds, with a few thousand characters.
LONGEST = 1 << 18  # characters, and of what is put together on the way
SECONDS = 2.0  # of CPU time
GREATEST = 1 << 127  # whole numbers stay below it, as those of SQL do
_TOO_DEEP = (RecursionError, MemoryError, SyntaxError)  # what Python says to a template that is nested too deep
#: What goes wrong while one is filled in.
_WRONG = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, AttributeError, *_TOO_DEEP)
#: So much of a command line stands in a sentence.
BRIEF = 160
#: Categories of characters that change how others are shown, or are shown as nothing.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str) -> str:
    """Text in which no character acts: controls, line ends, direction marks become escapes.

    >>> visible("a\\x1b[31m\\n")
    'a\\\\x1b[31m\\\\n'
    """
    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode() if unicodedata.category(c) in _UNSEEN else c
        for c in text
    )


def command(argv: Sequence[str] | None) -> str:
    """A command line as one would type it; '?' where it is not known."""
    return " ".join(visible(shlex.quote(word)) for word in argv) if argv else "?"


def brief(value: Sequence[str] | str | None) -> str:
    """A command line or text that fits in a sentence; evidence holds the whole."""
    text = visible(value) if isinstance(value, str) else command(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}… ({len(text) - BRIEF} more characters)"


def count(number: int) -> str:
    """A whole number in groups of three, with plain spaces: everything that prints it must take it for text."""
    return format_count(number)


def times(number: int) -> str:
    """How often.

    >>> times(1), times(23)
    ('once', '23 times')
    """
    return "once" if number == 1 else f"{count(number)} times"


def rate(thousandths: int) -> str:
    """Thousandths as a decimal with three digits: 95250 -> 95.2."""
    return f"{thousandths / 1000:.3g}"


def join(items: Sequence[Any], glue: str = ", ") -> str:
    """Items, whatever they are, as one text."""
    texts = [str(item) for item in items]
    _bounded(len(glue) * len(texts) + _length(texts))
    return glue.join(texts)


def lineage(rows: Sequence[Mapping[str, Any]]) -> str:
    """Who is above the first, the nearest first, of evidence with `ancestors_of`: sh (12), that by cron (3)."""
    return join([f"{_finalize(row.get('comm'))} ({_finalize(row.get('tgid'))})" for row in rows[1:]], ", that by ")


def _length(value: Any) -> int:
    """How many characters it holds, if it is text or a list of it."""
    if isinstance(value, str):
        return len(value)
    return sum(map(_length, value)) if isinstance(value, (list, tuple)) else 0


def _bounded(length: int) -> None:
    if length > LONGEST:
        raise SecurityError(f"comes to more than {count(LONGEST)} characters")


FILTERS: dict[str, Any] = {
    "duration": format_duration,  # ns
    "bytes": format_bytes,
    "ratio": lambda ppm: format_ratio(ppm / 1_000_000),  # parts per million
    "count": count,
    "times": times,
    "utc": format_utc,  # ns since the epoch
    "clock": lambda ts_ns: format_utc(ts_ns, date=False),
    "rate": rate,
    "command": command,
    "brief": brief,
    "length": len,
    "join": join,
    "quoted": lambda word: command([str(word)]) if word else "?",  # as one word of a shell, whatever it holds
    "pod": lambda cgroup: belongs(cgroup or "").pod_id or "",
    "container": lambda cgroup: belongs(cgroup or "").container_id or "",
    "lineage": lineage,
    "unit": lambda cgroup: str(cgroup or "").rstrip("/").rsplit("/", 1)[-1],
}


class NoRow(LookupError):
    """Words ask for a row that their evidence does not have: `servers[0].comm`, where no server was seen."""


class _NoRow(jinja2.StrictUndefined):
    """That row, and whatever is asked of it; to use it is an error of its own kind."""

    __slots__ = ()

    def _fail(self, *args: Any, **options: Any) -> Any:
        raise NoRow(str(self._undefined_name))

    __round__ = __str__ = __iter__ = __len__ = __bool__ = __hash__ = __eq__ = __ne__ = __contains__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = __truediv__ = _fail
    __rtruediv__ = __mod__ = __rmod__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = _fail


class _Filling(Context):
    """One template while it is filled in."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._until = time.thread_time() + SECONDS

    def go_on(self) -> None:
        """Asked before each step that data could repeat or make long."""
        if time.thread_time() > self._until:
            raise SecurityError(f"took longer than {SECONDS:g} s to fill in and was stopped")


class _Environment(ImmutableSandboxedEnvironment):
    """Dots mean keys of a mapping (or of Jinja's loop); attributes do not exist, and numbers are whole ones."""

    context_class = _Filling
    intercepted_binops = frozenset(("+", "-", "*", "//", "%"))

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if type(obj).__name__ == "LoopContext" and attribute in ("first", "last", "index"):
            return getattr(obj, attribute)
        return self._lacks(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, (Mapping, list)):
            try:
                return obj[argument]
            except IndexError:
                return _NoRow(obj=obj, name=argument)
            except (KeyError, TypeError):
                pass
        return self._lacks(obj, argument)

    def _lacks(self, obj: Any, wanted: Any) -> Any:
        if isinstance(obj, _NoRow):
            return obj
        if isinstance(obj, Mapping):
            return self.undefined(hint=f"there is no {wanted!r} to fill in; {nearest(str(wanted), obj)}")
        return self.undefined(hint=f"{wanted!r} can't be had of what is no mapping and no list")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        context.go_on()
        for side in (left, right):
            _there(side)
            if not isinstance(side, int):
                raise SecurityError(f"{operator} takes whole numbers only")
        result = self.binop_table[operator](left, right)
        if abs(result) >= GREATEST:
            raise SecurityError(f"{operator} comes to a number of more than {GREATEST.bit_length() - 1} bits")
        return result


def _there(value: Any) -> None:
    """What is not there is complained of by its name, and not of its type."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises


def _finalize(value: Any) -> str:
    _bounded(_length(value))
    if isinstance(value, (list, tuple)):
        return command([str(v) for v in value])
    return "?" if value is None else visible(str(value))


def _strict(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of what is there, and not too long."""

    @jinja2.pass_context
    def filled_in(filling: _Filling, value: Any, *args: Any) -> Any:
        filling.go_on()
        _there(value)
        _bounded(_length((value, args)))
        return rule(value, *args)

    return filled_in


@jinja2.pass_context
def _turns(filling: _Filling, items: Any) -> Iterator[Any]:
    """What a loop goes over, one by one."""
    _there(items)
    if not isinstance(items, (list, tuple)):
        raise SecurityError("a loop goes over rows, or a list")
    for item in items:
        filling.go_on()
        yield item


class _Bounds(NodeTransformer):
    """Puts bounds into a checked template: what loops go over is counted, and `~` is a join."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "turns", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        items, glue = nodes.List(node.nodes, lineno=node.lineno), nodes.Const("", lineno=node.lineno)
        return nodes.Filter(items, "join", [glue], [], None, None, lineno=node.lineno)


def _environment() -> _Environment:
    env = _Environment(undefined=jinja2.StrictUndefined, autoescape=False, finalize=_finalize)
    env.globals.clear()
    env.filters.clear()
    env.filters.update({name: _strict(rule) for name, rule in FILTERS.items()}, turns=_turns)
    env.tests.clear()
    return env


_ENV = _environment()


def _targets(loop: nodes.For) -> list[nodes.Name]:
    return [loop.target] if isinstance(loop.target, nodes.Name) else list(loop.target.find_all(nodes.Name))


@dataclass(frozen=True)
class Template:
    """A checked template, or (is_condition) a checked expression that is true or false."""

    text: str
    path: Path
    key: str
    line: int
    is_condition: bool = False

    @property
    def where(self) -> str:
        """file:line: key"""
        return f"{self.path}:{self.line}: {self.key}"

    def _parse(self) -> nodes.Template:
        try:
            return self._condition() if self.is_condition else _ENV.parse(self.text)
        except jinja2.TemplateSyntaxError as exc:
            raise BadScenario(f"{self.path}:{self.line + exc.lineno - 1}: {self.key}: {exc.message}") from exc
        except (ValueError, RecursionError) as exc:  # a number of thousands of digits; thousands of brackets
            raise BadScenario(f"{self.where}: {exc}") from exc

    def _condition(self) -> nodes.Template:
        """A template that is no text at all unless the expression is true."""
        parser = Parser(_ENV, self.text, state="variable")
        test = parser.parse_expression()
        if not parser.stream.eos:
            raise jinja2.TemplateSyntaxError("there is more after the condition", parser.stream.current.lineno)
        holds = nodes.Output([nodes.TemplateData("true", lineno=1)], lineno=1)
        return nodes.Template([nodes.If(test, [holds], [], [], lineno=1)], lineno=1)

    def check(self, known: Mapping[str, Any]) -> None:
        """Raises BadScenario with file and line for anything that is not allowed or not known."""
        try:
            self._check(self._parse(), frozenset(known), is_in_loop=False)
        except RecursionError as exc:
            raise BadScenario(f"{self.where}: {exc}") from exc

    def _check(self, node: nodes.Node, known: frozenset[str], is_in_loop: bool) -> None:
        def refuse(what: str) -> BadScenario:
            return BadScenario(f"{self.path}:{self.line + node.lineno - 1}: {self.key}: {what}")

        if not isinstance(node, _ALLOWED):
            raise refuse(f"{type(node).__name__.lower()} can't be used in a scenario's words")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise refuse(f"there is no filter {node.name!r}; {nearest(node.name, FILTERS)}")
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            raise refuse(f"{node.attr!r} can't be reached from a scenario's words")
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in known:
            raise refuse(f"there is no {node.name!r} to fill in; {nearest(node.name, known)}")
        if isinstance(node, nodes.For):
            if is_in_loop or node.recursive:
                raise refuse("a loop can't stand in a loop")
            self._check(node.iter, known, is_in_loop)
            own = {target.name for target in _targets(node)} | {"loop"}
            for child in node.iter_child_nodes(exclude=("iter",)):
                self._check(child, known | own, True)
            return
        for child in node.iter_child_nodes():
            self._check(child, known, is_in_loop)

    def render(self, values: Mapping[str, Any]) -> str:
        """Fill in; runs of white space in the template become one space. Raises BadScenario, and NoRow."""
        return re.sub(r"[ \t\r\n]+", " ", self._filled_in(values)).strip()

    def is_true(self, values: Mapping[str, Any]) -> bool:
        """The condition's answer; no where it asks for a row that is not there. Raises BadScenario."""
        try:
            return bool(self._filled_in(values))
        except NoRow:
            return False

    @cached_property
    def _compiled(self) -> jinja2.Template:
        tree = _Bounds().visit(self._parse())
        return _ENV.from_string(tree.set_environment(_ENV))

    def _filled_in(self, values: Mapping[str, Any]) -> str:
        pieces, length = [], 0
        try:
            for piece in self._compiled.generate(values):
                length += len(piece)
                _bounded(length)
                pieces.append(piece)
        except _WRONG as exc:
            raise BadScenario(f"{self.where}: {exc}") from exc
        return "".join(pieces)
