"""Tables out of /proc: whole files, and files of each process, read as they are; and of cgroups and sockets.

In: names of files. Out: {name: bytes}; a process's files are named "PID/stat". Never: parses what it sends; a file that
is not there, or a process that is gone, is left out.
"""

from __future__ import annotations

import os

from . import cgroupfs, mask, sockdiag

_PAGE = 4096
_LIMITS = {"cmdline": 4096}
_HELD = 512  # files of one table that are kept open


def read_file(path: str, limit: int = 1 << 20, *, one_record: bool = False) -> bytes | None:
    """The file's text, up to the limit; None if it can't be read.

    one_record: the kernel shows it all at once, as it does what belongs to one process or one cgroup: where a page's
    worth is not filled, that was all, and no second call is needed to see the end.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        if one_record:
            parts.append(os.read(fd, min(limit, _PAGE)))
            if len(parts[0]) < _PAGE:
                return parts[0]
            limit -= _PAGE
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


class Held:
    """Files of /proc that are read again and again: kept open, which halves what a reading costs.

    /proc makes the text anew for who reads from its beginning. A process that is gone says ESRCH for ever, though its
    number be given to another: then the file is opened again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._fds: dict[str, int] = {}
        self._read: set[str] = set()

    def read(self, path: str, *, one_record: bool = False) -> bytes | None:
        """The file's text, as read_file() has it; None if it can't be read."""
        self._read.add(path)
        fd = self._fds.get(path)
        if fd is not None:
            text = _from_start(fd, one_record)
            if text is not None:
                return text
            os.close(self._fds.pop(path))
        if len(self._fds) >= self._most:
            return read_file(path, one_record=one_record)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self._fds[path] = fd
        return _from_start(fd, one_record)

    def close_unread(self) -> None:
        """Close those that were not read since the last call."""
        for path in self._fds.keys() - self._read:
            os.close(self._fds.pop(path))
        self._read = set()


def _from_start(fd: int, one_record: bool) -> bytes | None:
    try:
        part = text = os.pread(fd, 65536, 0)
        while part and not (one_record and len(text) < _PAGE):
            part = os.pread(fd, 65536, len(text))
            text += part
        return text
    except OSError:  # ESRCH: the process has gone
        return None


def process_ids() -> list[int]:
    """All processes now."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Table:
    """One /proc table: what to read, and what was there the last time."""

    def __init__(self, spec: dict, *, masked: bool) -> None:
        self._files, self._each = spec["files"], spec["each_process"]
        self._only_changed, self._masked = spec["only_changed"], masked
        self._last: dict[int, int] = {}
        self._held = Held(_HELD if spec.get("when") == "second" else 0)
        self._sockets = [sockdiag.Dump(name) for name in spec.get("sock_diag", [])]
        self._cgroups = cgroupfs.Reader(spec["each_cgroup"], read_file) if spec.get("each_cgroup") else None

    def read(self, members: set | None) -> dict[str, bytes]:
        """All files; of processes only the members, where a set is given."""
        out = {}
        for path in self._files:
            text = self._held.read(path)
            if text is not None:
                out[path] = text
        for dump in self._sockets:
            text = dump.read()
            if text is not None:
                out["sock_diag/" + dump.name] = text
        if self._cgroups:
            out.update(self._cgroups.read())
        if self._each:
            now: dict[int, int] = {}
            for pid in process_ids():
                if members is None or pid in members:
                    self._read_process(pid, now, out)
            self._last = now
        self._held.close_unread()
        return out

    def forget(self) -> None:
        """What was read last did not get through: send everything again next time."""
        self._last = {}
        if self._cgroups:
            self._cgroups.forget()

    @property
    def left_out(self) -> int:
        """Cgroups that were too many, of all readings together."""
        return self._cgroups.left_out if self._cgroups else 0

    def _read_process(self, pid: int, now: dict[int, int], out: dict[str, bytes]) -> None:
        """Its files; where only what has changed is wanted, the first of them tells whether the others are read."""
        for name in self._each:
            path, limit = f"/proc/{pid}/{name}", _LIMITS.get(name)
            text = read_file(path, limit, one_record=True) if limit else self._held.read(path, one_record=True)
            if self._only_changed and name == self._each[0]:
                now[pid] = hash(text)
                if text is None or self._last.get(pid) == now[pid]:
                    return
            if text is not None:
                out[f"{pid}/{name}"] = mask.mask(text) if self._masked and name == "cmdline" else text
