"""Moments as people type them. In: 12:00:05, 12:00:05.250, 2026-05-01 12:00:05. Out: UTC nanoseconds."""

from __future__ import annotations

import datetime
import re

from ..errors import BadUsage
from ..units import HOUR, MINUTE, SECOND
from .view import Window

_DAY = 24 * HOUR
_MOMENT = re.compile(r"\s*(?:(\d{4}-\d{2}-\d{2})[T ])?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(?:UTC|Z)?\s*")


def parse_moment(text: str, within: Window) -> int:
    """A time of day in UTC; without a date, the first such moment from the start of the recording's day on that lies in
    it, or else of its first day. Raises BadUsage."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise BadUsage(f"{text!r} is no moment; write it like 12:00:05 or 12:00:05.250, in UTC")
    date, hours, minutes, seconds, part = match.groups()
    of_day = int(hours) * HOUR + int(minutes) * MINUTE + int(seconds or 0) * SECOND + int((part or "0").ljust(9, "0"))
    if date is None:
        first = within.start_ns // _DAY * _DAY + of_day
        later = first + _DAY
        return later if first < within.start_ns and later <= within.end_ns else first
    try:
        day = datetime.datetime.fromisoformat(date).replace(tzinfo=datetime.UTC)
    except ValueError as exc:
        raise BadUsage(f"{text!r} is no moment: {exc}") from exc
    return int(day.timestamp()) * SECOND + of_day
