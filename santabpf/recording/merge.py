"""Which small parts of a growing recording are put together now: a day of seconds would be a million files.

In: parts, as they are written. Out: runs of parts of one table and node, one after another, that become one. Never:
touches a file.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from .manifest import Part

#: So many parts become one; so many of those become one again, and so on.
AT_ONCE = 64
#: What is larger stays as it is: to read it again would take longer than it saves.
MOST_BYTES = 16 << 20


class Run(NamedTuple):
    """Parts that become one, which was merged so many times less one."""

    table: str
    level: int
    parts: list[Part]

    @property
    def name(self) -> str:
        """The file in which their rows are to lie."""
        return f"part-{self.parts[0].segments[0]:06d}-{self.parts[-1].segments[1]:06d}.parquet"


class Merging:
    """What waits to be put together."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, int], list[Part]] = defaultdict(list)

    def add(self, table: str, part: Part, level: int = 1) -> None:
        """A part that was written; level 1 for a segment."""
        self._waiting[table, part.node, level].append(part)

    def take(self) -> Run | None:
        """The next run, if there is one; it is not told again."""
        for (table, node, level), parts in self._waiting.items():
            if len(parts) >= AT_ONCE:
                del self._waiting[table, node, level]
                if sum(part.bytes for part in parts) <= MOST_BYTES:
                    return Run(table, level + 1, parts)
                return None
        return None
