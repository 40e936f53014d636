"""Files of each cgroup, of both versions, as they are. The root is left out: it is the node.

In: names of files ("cpu.stat"). Out: {"<path>/cpu.stat": bytes}, and {"<path>/": b""} for a cgroup that is gone since.
A file belongs to the hierarchy of its controller, what stands before its first dot; v1's are joined by path.
Never: parses.

To cost little where there are many: the first of a hierarchy's files tells whether anything happened (CPU time
passed); only then are the others read. A folder is listed again only when the count of its folders changed, or one
of them is gone.
"""

from __future__ import annotations

import os
from typing import Callable, Optional

Read = Callable[[str], Optional[bytes]]  # procfs.read_file
LIMIT = 2000  # cgroups of one hierarchy


class Reader:
    """All hierarchies in which one of these files can be."""

    def __init__(self, files: list, read: Read) -> None:
        self._trees = [Tree(mounted, prefix, own, read) for mounted, prefix, own in _hierarchies(files, read)]
        self.left_out = 0

    def read(self) -> dict:
        """What there is now. Grows left_out by the cgroups that were too many."""
        out: dict[str, bytes] = {}
        for tree in self._trees:
            self.left_out += tree.read(out)
        return dict(sorted(out.items()))

    def forget(self) -> None:
        """What was read last did not get through: read everything next time."""
        for tree in self._trees:
            tree.last = {}


class Tree:
    """One hierarchy."""

    def __init__(self, mounted: str, prefix: str, files: list, read: Read) -> None:
        self._mounted, self._prefix, self._read = mounted, prefix, read
        self._gate, self._files = files[0], files[1:]
        self._below: dict[str, tuple[int, list]] = {}  # path -> how many links it has, the paths below it
        self.last: dict[str, Optional[int]] = {}  # path -> hash of its first file

    def read(self, out: dict) -> int:
        """Put the files of all cgroups into out; how many cgroups were too many."""
        now: dict[str, Optional[int]] = {}
        paths = self._walk()
        for path in paths[:LIMIT]:
            folder, name = self._mounted + path, self._prefix + path + "/"
            text = self._read(folder + "/" + self._gate, one_record=True)
            if text is not None:
                out[name + self._gate] = text
            now[path] = None if text is None else hash(text)
            if text is None or self.last.get(path) != now[path]:
                for file in self._files:
                    more = self._read(folder + "/" + file, one_record=True)
                    if more is not None:
                        out[name + file] = more
        for path in self.last.keys() - now.keys():
            out[self._prefix + path + "/"] = b""
        self.last = now
        return max(0, len(paths) - LIMIT)

    def _walk(self) -> list:
        """The paths of all cgroups but the root, those above first."""
        found, todo, known = [], [""], {}
        for path in todo:
            below = self._list(path)
            if below is not None:
                known[path] = below
                todo += below[1]
                found.append(path)
        self._below = known
        return found[1:]

    def _list(self, path: str) -> Optional[tuple]:
        """(links, paths below), None if it is gone. Without folders below, it has two links."""
        try:
            links = os.stat(self._mounted + path).st_nlink
            if links == 2:
                return links, []
            before = self._below.get(path)
            if before and before[0] == links and all(p in self._below and self._is_there(p) for p in before[1]):
                return before
            with os.scandir(self._mounted + path) as entries:
                return links, sorted(f"{path}/{e.name}" for e in entries if e.is_dir(follow_symlinks=False))
        except OSError:
            return None

    def _is_there(self, path: str) -> bool:
        return os.path.isdir(self._mounted + path)


def _hierarchies(files: list, read: Read) -> list:
    """(where it is mounted, the path that its mount shows, its files) of each hierarchy with one of these files."""
    v1: dict[str, tuple[str, str]] = {}
    v2 = None
    for line in (read("/proc/self/mountinfo") or b"").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(" "), after.split(" ", 2)
        place = fields[4], fields[3].rstrip("/")
        if kind == "cgroup":
            for name in options.split(","):
                v1.setdefault(name, place)
        elif kind == "cgroup2":
            v2 = v2 or place
    known = {"cgroup", "cpu"}
    if v2:
        known |= set((read(v2[0] + "/cgroup.controllers") or b"").decode().split())
    out: dict[tuple[str, str], list] = {}
    for file in files:
        controller = file.split(".")[0]
        place = v1.get(controller) or (v2 if controller in known else None)
        if place:
            out.setdefault(place, []).append(file)
    return [(*place, own) for place, own in out.items()]
