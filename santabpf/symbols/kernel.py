"""/proc/kallsyms to the function at an address of the kernel.

In: its text. Out: name, distance from its start, module. Where the kernel hides addresses (kptr_restrict), all are 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Further from the last symbol before it than this, an address belongs to none.
_FAR = 1 << 20
_TEXT = b"tTwW"
_KERNEL = 1 << 63


class Place(NamedTuple):
    """A place in the kernel."""

    name: str
    offset: int
    module: str


class Kernel:
    """The symbols of one boot. `hidden`: the kernel gives no addresses."""

    def __init__(self, text: bytes) -> None:
        addresses, lines = [], []
        for line in text.splitlines():
            address, _, rest = line.partition(b" ")
            try:
                value = int(address, 16)
            except ValueError:
                continue
            if _KERNEL <= value < 1 << 64:
                addresses.append(value)
                lines.append(rest)
        order = sorted(range(len(addresses)), key=lambda i: (addresses[i], lines[i][:1] not in _TEXT, i))
        self._addresses = np.array([addresses[i] for i in order], np.uint64)
        self._lines = [lines[i] for i in order]
        self.hidden = not lines

    def find(self, address: int) -> Place | None:
        """The function at this address (not negative); None where no symbol of code is near before it."""
        at = int(np.searchsorted(self._addresses, np.uint64(address), side="right")) - 1
        if at < 0:
            return None
        start = int(self._addresses[at])
        at = int(np.searchsorted(self._addresses, np.uint64(start), side="left"))  # the first of several names
        kind, _, rest = self._lines[at].partition(b" ")
        name, _, module = rest.partition(b"\t")
        if kind not in _TEXT or address - start > _FAR or module.strip() == b"[bpf]":
            return None  # BPF programs come and go: who is there now need not have been there then
        return Place(_text(name), address - start, _text(module) or "[kernel]")


def _text(raw: bytes) -> str:
    return raw[:4096].decode("utf-8", "backslashreplace").strip()
