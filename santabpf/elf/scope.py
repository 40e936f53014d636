"""What a recording is limited to: the whole node, a process and its descendants, or a cgroup.

In: the plan's `scope`, /proc and the cgroup file system. Out: numbers for the BPF programs, the tree's map filled in,
and the processes that belong to it now. Never: filters records; the programs do that in the kernel.
"""

from __future__ import annotations

import os
import struct
from typing import Optional

from . import kernel, procfs

NODE, TREE, CGROUP = 0, 1, 2  # as in prelude.bpf.c


class NoSuchScope(Exception):
    """The process or the cgroup is not there."""


def cgroup_controller(spec: Optional[dict] = None) -> str:
    """'' where cgroups are v2, else the v1 controller whose groups name a process: memory, or pids.

    spec: the plan's scope; where both versions are mounted, a path in the v2 tree means that tree.
    """
    if spec and _is_v2(str(spec.get("cgroup", ""))):
        return ""
    lines = (procfs.read_file("/proc/self/cgroup") or b"").decode(errors="replace").splitlines()
    controllers = {name for line in lines for name in line.split(":")[1].split(",")}
    return next((name for name in ("memory", "pids") if name in controllers), "")


class Scope:
    """mode and number are what the programs compare with: a cgroup's id, for a cgroup."""

    def __init__(self, spec: dict | None, controller: str) -> None:
        self.mode, self.number = NODE, 0
        self._root, self._folder, self._tree_fd = 0, "", -1
        if spec and "tree" in spec:
            self.mode, self._root = TREE, int(spec["tree"])
            if not os.path.exists(f"/proc/{self._root}"):
                raise NoSuchScope(f"there is no process {self._root}")
        elif spec:
            self.mode, self._folder = CGROUP, _cgroup_folder(str(spec["cgroup"]), controller)
            self.number = os.stat(self._folder).st_ino

    def fill_tree(self, fd: int) -> None:
        """Enter the processes that live already. Those born from now on are entered by the kernel, at fork."""
        self._tree_fd = fd
        if self.mode != TREE:
            return
        known: set[int] = set()
        while True:
            found = {pid: start for pid, start in _descendants(self._root).items() if pid not in known}
            if not found:
                return
            for pid, start in found.items():
                kernel.map_update(fd, struct.pack("<I", pid), struct.pack("<Q", start))
            known.update(found)

    def members(self) -> set | None:
        """The processes in the scope now; None where that is all of them."""
        if self.mode == TREE:
            out, key = set(), None
            for _ in range(1 << 20):
                key = kernel.map_next_key(self._tree_fd, key, 4)
                if key is None:
                    break
                out.add(struct.unpack("<I", key)[0])
            return out
        if self.mode == CGROUP:
            out = set()
            for folder, _, _ in os.walk(self._folder):
                out.update(int(pid) for pid in (procfs.read_file(folder + "/cgroup.procs") or b"").split())
            return out
        return None


def _descendants(root: int) -> dict[int, int]:
    """root and all below it: {pid: 0}; 0 stands for a start that is not known to the nanosecond."""
    children: dict[int, list[int]] = {}
    for pid in procfs.process_ids():
        stat = procfs.read_file(f"/proc/{pid}/stat")
        if stat:
            children.setdefault(int(stat[stat.rindex(b")") + 1 :].split()[1]), []).append(pid)
    out, todo = {}, [root]
    while todo:
        pid = todo.pop()
        out[pid] = 0
        todo += children.get(pid, [])
    return out


def _is_v2(path: str) -> bool:
    """Is this the whole path of a folder in the v2 tree?"""
    for line in (procfs.read_file("/proc/self/mountinfo") or b"").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 ") and path.startswith(before.split(" ")[4] + "/"):
            return os.path.exists(path + "/cgroup.procs")
    return False


def _cgroup_folder(path: str, controller: str) -> str:
    """The folder of a cgroup that is named as in /proc/PID/cgroup, or by its whole path."""
    for line in (procfs.read_file("/proc/self/mountinfo") or b"").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        mounted = before.split(" ")[4]
        if (kind == "cgroup" and controller in options.split(",")) if controller else kind == "cgroup2":
            folder = path if path.startswith(mounted + "/") else os.path.join(mounted, path.lstrip("/"))
            if os.path.exists(folder + "/cgroup.procs"):
                return folder.rstrip("/")
            raise NoSuchScope(f"there is no cgroup {path} (looked for {folder})")
    raise NoSuchScope(f"no cgroup file system is mounted, so there is no cgroup {path}")
