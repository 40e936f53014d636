"""/tmp/perf-PID.map, which compilers at run time (Java's agents, Node.js, Python -X perf, .NET) write, to functions.

In: its text: a line is start and size in hexadecimal, and a name. Out: the name at an address. Later lines stand for
earlier ones at the same place, since code is moved and made anew.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

_LINES = 1 << 20


class Compiled(NamedTuple):
    """One function that was made at run time."""

    name: str
    offset: int


class PerfMap:
    """The functions of one process."""

    def __init__(self, text: bytes) -> None:
        functions: dict[int, tuple[int, bytes]] = {}
        for line in text.splitlines()[:_LINES]:
            parts = line.split(None, 2)
            try:
                start, size = int(parts[0], 16), int(parts[1], 16)
                functions[start] = size, parts[2]
            except (ValueError, IndexError):
                continue  # half a line: it was being written
        self._starts = sorted(functions)
        self._functions = functions

    def find(self, address: int) -> Compiled | None:
        """The function at this address."""
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        start = self._starts[at]
        size, name = self._functions[start]
        if address - start >= size:
            return None
        return Compiled(name[:4096].decode("utf-8", "backslashreplace").strip(), address - start)
