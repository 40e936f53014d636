"""Nanoseconds, bytes, ratios and clocks: converted and formatted here, and nowhere else.

Inside, one unit each: time in int64 nanoseconds, sizes in bytes, shares as a ratio 0..1.
"""

from __future__ import annotations

import datetime
import re

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
#: How a threshold is met, in words.
COMPARED = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|min|h|d)?\s*")
_IN_NS = {"ns": 1, "us": US, "µs": US, "ms": MS, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}


def parse_duration(text: str | int | float) -> int:
    """'30s', '1.5m', '200ms' -> nanoseconds; a bare number is seconds. Raises ValueError."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = repr(text)
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"not a duration: {text!r} (write it like 30s, 5m or 200ms)")
    return round(float(match[1]) * _IN_NS[match[2] or "s"])


def seconds(ns: int) -> float:
    """Nanoseconds -> seconds."""
    return ns / SECOND


def milliseconds(ns: int) -> float:
    """Nanoseconds -> milliseconds."""
    return ns / MS


def second_of(ts_ns: int) -> int:
    """The start, in ns, of the UTC second that holds ts_ns."""
    return ts_ns - ts_ns % SECOND


def format_duration(ns: int | float) -> str:
    """The largest unit that keeps it readable.

    >>> format_duration(1_234_567), format_duration(90 * SECOND)
    ('1.23 ms', '1 min 30 s')
    """
    sign, value = ("-", -ns) if ns < 0 else ("", ns)
    if value >= HOUR:
        return f"{sign}{int(value // HOUR)} h {int(value % HOUR // MINUTE)} min"
    if value >= MINUTE:
        return f"{sign}{int(value // MINUTE)} min {int(value % MINUTE // SECOND)} s"
    for unit, size in (("s", SECOND), ("ms", MS), ("µs", US)):
        if value >= size:
            return f"{sign}{_three_digits(value / size)} {unit}"
    return f"{sign}{value:.0f} ns"


def format_bytes(count: int | float) -> str:
    """Bytes in powers of 1024.

    >>> format_bytes(1536), format_bytes(12)
    ('1.5 KiB', '12 B')
    """
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{_three_digits(value)} {unit}"
        value /= 1024
    return f"{_three_digits(value)} TiB"


def _three_digits(value: float) -> str:
    """Three significant digits, but never an exponent: 1.23, 12.3, 123, 1020."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def format_ratio(ratio: float) -> str:
    """0..1 -> per cent, with one decimal place below 10 %."""
    percent = ratio * 100
    return f"{percent:.1f} %" if abs(percent) < 10 else f"{percent:.0f} %"


def format_count(count: int | float) -> str:
    """A whole number in groups of three: 1 234 567."""
    return f"{round(count):,}".replace(",", " ")


def format_utc(ts_ns: int, *, date: bool = True) -> str:
    """UTC wall time to the millisecond: 2026-05-01 12:00:00.123 (or without the date)."""
    moment = datetime.datetime.fromtimestamp(ts_ns // SECOND, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S") + f".{ts_ns % SECOND // MS:03d}"
