"""The slots of histograms, reckoned anew."""

from __future__ import annotations


def slot(number: int, last: int = 39) -> int:
    """The power of two that a number stands at: 1 for 0, too, and the last one for all that is greater."""
    power = 1
    while 2 * power <= number and power < 1 << last:
        power *= 2
    return power
