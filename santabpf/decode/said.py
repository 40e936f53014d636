"""Values out of the JSON that a node sent, checked one by one. Nothing here trusts a type, a size or a sign."""

from __future__ import annotations

from typing import Any

from ..wire import BadFrame
from .times import LIMIT_NS

TEXT_CHARACTERS = 1000


def number(value: Any, what: str) -> int | None:
    """A whole number or null. Raises BadFrame."""
    if value is not None and (type(value) is not int or not -LIMIT_NS <= value <= LIMIT_NS):
        raise BadFrame(f"{what} is {str(value)[:40]!r}, no whole number")
    return value


def known(value: Any, what: str, low: int = 0, high: int = LIMIT_NS) -> int:
    """A whole number within bounds. Raises BadFrame."""
    checked = number(value, what)
    if checked is None or not low <= checked <= high:
        raise BadFrame(f"{what} is {checked}, not within {low} and {high}")
    return checked


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A JSON object; an absent one is empty. Raises BadFrame."""
    if value is not None and not isinstance(value, dict):
        raise BadFrame(f"{what} is no object")
    return value or {}


def text(value: Any) -> str | None:
    """Text of a sane length: a longer one ends after a whole word, with "...". Null stays None. Half a surrogate
    pair, which no file could hold, becomes a ?."""
    if value is None:
        return None
    said = str(value)
    if len(said) > TEXT_CHARACTERS:
        kept = said[: TEXT_CHARACTERS - 3]
        said = (kept.rpartition(" ")[0].rstrip(" ,;:|") or kept) + "..."
    return said.encode("utf-8", "replace").decode()
