"""What is looked at: a window of time, and filters. Values that travel, and go into a sidecar file and back.

In: nothing. Out: frozen values, plain JSON. Never: a recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

from ..units import format_duration, format_utc

Kind = Literal["process", "command", "file", "peer", "frame"]
KINDS: tuple[str, ...] = get_args(Kind)


class Window(NamedTuple):
    """[start_ns, end_ns), UTC."""

    start_ns: int
    end_ns: int

    @property
    def span_ns(self) -> int:
        """How long it is."""
        return self.end_ns - self.start_ns

    def __str__(self) -> str:
        """12:00:05.000 to 12:00:20.000 UTC (15 s)"""
        start, end = (format_utc(ts, date=False) for ts in self)
        return f"{start} to {end} UTC ({format_duration(self.span_ns)})"


@dataclass(frozen=True)
class Filter:
    """Show only what has to do with this process, command, file, peer or frame.

    value is what it is called, as it was recorded, unescaped. A process is (node, tgid, start_ns); its value is the
    name of its command.
    """

    kind: Kind
    value: str
    node: str = ""
    tgid: int | None = None
    start_ns: int | None = None

    def __str__(self) -> str:
        """process dd (pid 2301)"""
        who = f" (pid {self.tgid})" if self.kind == "process" else ""
        return f"{self.kind} {self.value}{who}"


@dataclass(frozen=True)
class View:
    """A window and filters: what all panels show."""

    window: Window
    filters: tuple[Filter, ...] = ()

    def __str__(self) -> str:
        """The window, and each filter."""
        return ", ".join([str(self.window), *map(str, self.filters)])


@dataclass(frozen=True)
class Finding:
    """A view that somebody marked, with what they saw in it."""

    note: str
    author: str
    made_ns: int  # when, UTC, by the clock of the workbench
    view: View


def dump(value: View | Finding) -> dict[str, Any]:
    """As plain JSON; load_view and load_finding read it."""
    body = asdict(value)
    view = value if isinstance(value, View) else value.view
    told = {"window": list(view.window), "filters": [asdict(f) for f in view.filters]}
    return told if isinstance(value, View) else {**body, "view": told}


def load_view(body: Mapping[str, Any]) -> View:
    """Raises ValueError, KeyError or TypeError for what is no view."""
    start, end = (_whole(ts) for ts in body["window"])
    if end < start:
        raise ValueError("a window ends before it starts")
    return View(Window(start, end), tuple(_filter(f) for f in body["filters"]))


def load_finding(body: Mapping[str, Any]) -> Finding:
    """Raises ValueError, KeyError or TypeError for what is no finding."""
    return Finding(_text(body["note"]), _text(body["author"]), _whole(body["made_ns"]), load_view(body["view"]))


def _filter(body: Mapping[str, Any]) -> Filter:
    if body["kind"] not in KINDS:
        raise ValueError(f"there is no filter of kind {body['kind']!r}")
    tgid, start = (None if body[key] is None else _whole(body[key]) for key in ("tgid", "start_ns"))
    return Filter(body["kind"], _text(body["value"]), _text(body["node"]), tgid, start)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 63:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
