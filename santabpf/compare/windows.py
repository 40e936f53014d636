"""Windows: stretches of whole seconds of a recording, and the pieces into which a quiet one is cut.

In: recordings, times as people write them. Out: Window, Piece. Never: a query.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ..errors import BadUsage
from ..recording import Recording
from ..recording import open as open_recording
from ..units import SECOND, format_duration, format_utc, parse_duration

#: Most pieces into which the quiet time is cut: each is compared with the others, to see what noise looks like.
MOST_PIECES = 8

#: A moment: UTC ns; or '5s' after the recording began; or '12:00:05', or '2026-05-01 12:00:05', UTC.
Moment = int | str | None


@dataclass(frozen=True)
class Window:
    """The seconds in [from_ns, to_ns) of a recording, both whole seconds of UTC."""

    recording: Recording
    from_ns: int
    to_ns: int

    @property
    def seconds(self) -> int:
        """How many there are; at least one."""
        return (self.to_ns - self.from_ns) // SECOND

    def __str__(self) -> str:
        begin, end = format_utc(self.from_ns)[:19], format_utc(self.to_ns, date=False)[:8]
        return f"{self.recording.name}, {begin} to {end} UTC ({format_duration(self.to_ns - self.from_ns)})"

    __repr__ = __str__


class Piece(NamedTuple):
    """A part of a window, with the number under which its rows are counted: 0 is the incident."""

    number: int
    from_ns: int
    to_ns: int


def window(recording: Recording | str | Path, start: Moment = None, end: Moment = None) -> Window:
    """The whole seconds between two moments; the whole recording by default.

    Seconds at the edges that are not whole are left out. Raises BadUsage where none is left, or for a moment that is
    none; RecordingError for what is no recording.
    """
    rec = recording if isinstance(recording, Recording) else open_recording(recording)
    first, last = rec.window
    begin = _moment(start, first, first, last)
    stop = _moment(end, last, first, last)
    begin, stop = max(begin, first), min(stop, last)
    begin, stop = -(-begin // SECOND) * SECOND, stop // SECOND * SECOND
    if stop <= begin:
        raise BadUsage(
            f"{rec.name} has no whole second in that window: it was recorded from {format_utc(first)} "
            f"to {format_utc(last)} UTC"
        )
    return Window(rec, begin, stop)


def span(recording: Recording | str | Path, text: str | None) -> Window:
    """'5s..20s', '12:00:05..12:00:20', '5s..' (to the end) -> a window; None is the whole recording."""
    if text is None:
        return window(recording)
    start, dots, end = text.partition("..")
    if not dots:
        raise BadUsage(f"a window is written like 5s..20s or 12:00:05..12:00:20, not {text!r}")
    return window(recording, start.strip() or None, end.strip() or None)


def _moment(text: Moment, default: int, first: int, last: int) -> int:
    if text is None:
        return default
    if isinstance(text, int):
        return text
    try:
        return first + parse_duration(text)
    except ValueError:
        pass
    day = format_utc(first)[:10]
    for written in (text, f"{day} {text}", f"{format_utc(last)[:10]} {text}"):
        try:
            read = datetime.datetime.fromisoformat(written.rstrip("Z"))
        except ValueError:
            continue
        said = read if read.tzinfo else read.replace(tzinfo=datetime.UTC)
        moment = round(said.timestamp()) * SECOND + said.microsecond * 1000
        if written == text or moment >= first - SECOND:
            return moment
    raise BadUsage(f"{text!r} is no moment; write it like 5s (after the beginning) or 12:00:05 (UTC)")


def pieces(quiet: Sequence[Window]) -> list[list[Piece]]:
    """For each window its pieces, of about equal length, numbered from 1 over all of them; MOST_PIECES at most."""
    length = -(-sum(w.seconds for w in quiet) // MOST_PIECES)
    out: list[list[Piece]] = []
    number = 0
    for one in quiet:
        cuts = max(1, one.seconds // length)
        edges = [one.from_ns + one.seconds * at // cuts * SECOND for at in range(cuts + 1)]
        out.append([Piece(number + at + 1, edges[at], edges[at + 1]) for at in range(cuts)])
        number += cuts
    return out


def check_apart(windows: Iterable[Window]) -> None:
    """Raises BadUsage where two windows of one recording share a second."""
    seen = sorted(windows, key=lambda w: (str(w.recording.path.resolve()), w.from_ns))
    for one, two in pairwise(seen):
        if one.recording.path.resolve() == two.recording.path.resolve() and two.from_ns < one.to_ns:
            raise BadUsage(f"two windows overlap: {one}, and {two}; compare moments that are apart")
