"""Alarms at a moment: a light for each scenario, and a line for each time that an alarm changed its state.

In: which scenarios are watched, and the alarm events up to the moment. Out: lights, spans for a chart, HTML. Pure.
Never: a moment of its own, markup from a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd

from ..display.escape import html_text, shorten
from ..replay import RANK, AlarmEvent, Level
from ..units import format_utc

if TYPE_CHECKING:
    from ..verdict import Verdict

#: So many lines are shown; the newest stands first.
LINES = 12
_WORDS = {"raised": "began", "worse": "grew worse", "eased": "eased", "cleared": "ended"}


class Watched(NamedTuple):
    """One scenario on one node."""

    scenario: str
    title: str
    node: str
    unseen: str = ""  # why it could not be looked at in any second; '' where it was


class Light(NamedTuple):
    """How one scenario stands on one node: the worst of its alarms that are on."""

    watched: Watched
    state: Level | Literal["cannot_tell"]
    said: str  # label and value of that alarm; '' when clear; why, where one cannot tell
    since_ns: int | None  # when it was raised; None when clear


def unseen(verdict: Verdict) -> str:
    """Why no alarm of this scenario was looked at: a table is missing, a probe failed; '' where one was."""
    return verdict.summary[0].text if verdict.state == "cannot_tell" and verdict.detected is None else ""


def on_at(events: Iterable[AlarmEvent]) -> list[tuple[AlarmEvent, int]]:
    """The alarms that are on after these events: the last event of each, and when it was raised (UTC ns)."""
    on: dict[tuple[str, str, str, str], tuple[AlarmEvent, int]] = {}
    for event in events:
        key = (event.scenario, event.node, event.alarm, event.label)
        if event.state == "clear":
            on.pop(key, None)
        else:
            on[key] = event, on[key][1] if key in on else event.at_ns
    return list(on.values())


def lights(watched: Sequence[Watched], events: Iterable[AlarmEvent]) -> tuple[Light, ...]:
    """One light for each of the watched, in their order."""
    worst: dict[tuple[str, str], tuple[AlarmEvent, int]] = {}
    for event, since in on_at(events):
        key = (event.scenario, event.node)
        if key not in worst or RANK[event.state] > RANK[worst[key][0].state]:
            worst[key] = event, since
    shown = []
    for who in watched:
        if (who.scenario, who.node) not in worst:
            shown.append(Light(who, "cannot_tell" if who.unseen else "clear", who.unseen, None))
            continue
        event, since = worst[who.scenario, who.node]
        shown.append(Light(who, event.state, f"{event.label}: {event.value}" if event.label else event.value, since))
    return tuple(shown)


def spans(events: Iterable[AlarmEvent]) -> pd.DataFrame:
    """When which alarm was on, in the state that it had then: scenario, alarm, node, label, state, from_ns, to_ns.

    to_ns is null where an alarm is on after the last of these events.
    """
    rows: list[list[object]] = []
    open_rows: dict[tuple[str, str, str, str], list[object]] = {}
    for event in events:
        key = (event.scenario, event.alarm, event.node, event.label)
        if key in open_rows:
            open_rows.pop(key)[-1] = event.at_ns
        if event.state != "clear":
            open_rows[key] = [*key, event.state, event.at_ns, None]
            rows.append(open_rows[key])
    columns = ("scenario", "alarm", "node", "label", "state", "from_ns", "to_ns")
    return pd.DataFrame(rows, columns=list(columns)).astype({"from_ns": "Int64", "to_ns": "Int64"})


class Board(NamedTuple):
    """The lights, and below them the newest events, the newest first; either may be left out."""

    lights: Sequence[Light] | None
    events: Sequence[AlarmEvent] | None

    def html(self) -> str:
        """As HTML; titles, labels and values escaped."""
        parts = []
        if self.lights is not None:
            several = len({light.watched.node for light in self.lights}) > 1
            parts.append(f'<ul class="santa-lights">{"".join(_box(light, several) for light in self.lights)}</ul>')
        if self.events is not None:
            lines = "".join(map(_line, reversed(self.events[-LINES:])))
            parts.append(f'<ol class="santa-lines">{lines}</ol>')
            parts += [_note(len(self.events))]
        return "".join(parts)


def _box(light: Light, with_node: bool) -> str:
    where = f" on {light.watched.node}" if with_node else ""
    since = "" if light.since_ns is None else f" · since {_clock(light.since_ns)}"
    return (
        f'<li class="santa-light santa-{light.state}"><b>{light.state.replace("_", " ")}</b>'
        f"<span>{html_text(light.watched.title + where)}</span>"
        f"<small>{html_text(shorten(light.said, 120 if light.watched.unseen else 60) + since)}</small></li>"
    )


def _line(event: AlarmEvent) -> str:
    label = f" [{shorten(event.label, 60)}]" if event.label else ""
    return (
        f'<li class="santa-{event.state}"><time>{_clock(event.at_ns)}</time><b>{event.state}</b>'
        f"<span>{html_text(event.title + label)} on {html_text(event.node)}: {html_text(event.value)}, "
        f"{_WORDS[event.kind]}</span></li>"
    )


def _note(count: int) -> str:
    if not count:
        return '<p class="santa-note">No alarm has changed its state yet.</p>'
    left = count - LINES
    earlier = "one is" if left == 1 else "ones are"
    return f'<p class="santa-note">{left} earlier {earlier} not shown.</p>' if left > 0 else ""


def _clock(ts_ns: int) -> str:
    return format_utc(ts_ns, date=False)[:8]
