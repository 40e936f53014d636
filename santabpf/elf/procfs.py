"""Tables out of /proc: whole files, and files of each process, read as they are.

In: names of files. Out: {name: bytes}; a process's files are named "PID/stat". Never: parses what it sends; a file that
is not there, or a process that is gone, is left out.
"""

from __future__ import annotations

import os

from . import mask

_CMDLINE_BYTES = 4096


def read_file(path: str, limit: int = 1 << 20) -> bytes | None:
    """The file's text, up to the limit; None if it can't be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while limit > 0:
            part = os.read(fd, min(limit, 65536))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    except OSError:  # ESRCH: the process has just gone
        return None
    finally:
        os.close(fd)


def process_ids() -> list[int]:
    """All processes now."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Table:
    """One /proc table: what to read, and what was there the last time."""

    def __init__(self, spec: dict, *, masked: bool) -> None:
        self._files, self._each = spec["files"], spec["each_process"]
        self._only_changed, self._masked = spec["only_changed"], masked
        self._last: dict[int, int] = {}

    def read(self, members: set | None) -> dict[str, bytes]:
        """All files; of processes only the members, where a set is given."""
        out = {}
        for path in self._files:
            text = read_file(path)
            if text is not None:
                out[path] = text
        if self._each:
            now: dict[int, int] = {}
            for pid in process_ids():
                if members is None or pid in members:
                    self._read_process(pid, now, out)
            self._last = now
        return out

    def forget(self) -> None:
        """What was read last did not get through: send everything again next time."""
        self._last = {}

    def _read_process(self, pid: int, now: dict[int, int], out: dict[str, bytes]) -> None:
        texts = {}
        for name in self._each:
            text = read_file(f"/proc/{pid}/{name}", _CMDLINE_BYTES if name == "cmdline" else 1 << 20)
            if text is not None:
                texts[f"{pid}/{name}"] = mask.mask(text) if self._masked and name == "cmdline" else text
        if self._only_changed:
            now[pid] = hash(tuple(texts.values()))
            if self._last.get(pid) == now[pid]:
                return
        out.update(texts)
