"""How far a node's clock is from that of the machine that recorded it, so that recordings can share one time axis.

In: the table `clock` of a recording. Out: one offset and its error for each node. Never: changes a recording's times.

The best of the readings against Santa's clock counts, the one with the shortest round trip, as in NTP. Its error is
half that round trip, and what the other readings contradict it by: clocks drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..recording import Recording


class Clock(NamedTuple):
    """offset_ns: the node's clock minus Santa's, to be taken away from its times. error_ns is None where no reading
    tells; the offset is 0 then."""

    offset_ns: int
    error_ns: int | None


def clock_of(rec: Recording, node: str) -> Clock:
    """The offset of one node. Times of a recording keep the node's first setting of its UTC clock; so does this."""
    if "clock" not in rec:
        return Clock(0, None)
    rows = rec["clock"].arrow(["ts_ns", "against", "offset_ns", "error_ns", "node"]).to_pylist()
    rows = sorted((row for row in rows if row["node"] == node), key=lambda row: row["ts_ns"])
    own = [row for row in rows if row["against"] == "node" and row["offset_ns"] is not None]
    readings = []  # (error, offset)
    drift = 0
    for row in rows:
        if row["against"] == "node" and row["offset_ns"] is not None:
            drift = row["offset_ns"] - own[0]["offset_ns"]
        elif row["against"] == "santa" and None not in (row["offset_ns"], row["error_ns"]):
            readings.append((row["error_ns"], row["offset_ns"] - drift))
    if not readings:
        return Clock(0, None)
    error, offset = min(readings)
    beyond = max(abs(other - offset) - its_error for its_error, other in readings)
    return Clock(offset, error + max(0, beyond))
