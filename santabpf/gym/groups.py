"""Where a drill's control groups go: below the groups this process is in, with limits, and one that tells who it is.

In: the texts of /proc/self/cgroup and /proc/self/mountinfo, and a way to look into the trees. Out: a Plan of folders
and of values to be written there, which the guardian carries out. Never: makes or changes a group itself.

Limits come from version 1 controllers where the machine has those, else from version 2. The identity (what BPF and the
recordings know the drill by) comes from the version 2 tree wherever one is mounted. In version 2 a group that holds
processes cannot give limits to groups below it, so there the drill's group lies below the nearest ancestor that can.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CannotContain

PREFIX = "santabpf-drill-"
NEEDED = ("memory", "pids")
_ORDER = (*NEEDED, "cpu", "cpuacct", "cpuset")  # without version 2 the first is the identity
PERIOD_US = 100_000  # in which a group may use a percentage of one CPU; the kernel's own default


@dataclass(frozen=True)
class Tree:
    """One mounted hierarchy: where this process's own group is in it, and its controllers (none named: version 2)."""

    mount: str
    own: str  # folder of our own group
    version: int
    controllers: frozenset[str]


@dataclass(frozen=True)
class Group:
    """A pair of folders to make, top and leaf, and (file, value) to write into them before anything runs there."""

    top: str
    leaf: str
    writes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Plan:
    """What the guardian makes. The first group is the identity: its leaf is what a recording is scoped to."""

    groups: tuple[Group, ...]

    @property
    def identity(self) -> str:
        return self.groups[0].leaf


def parse_trees(cgroup: str, mountinfo: str) -> list[Tree]:
    """The hierarchies mounted here, out of the two files of /proc/self.

    >>> parse_trees("1:pids:/a", "9 1 0:1 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids")[0].own
    '/sys/fs/cgroup/pids/a'
    """
    ours: dict[str, str] = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(",") if number != "0" else ["0"]:
            ours[name] = path
    trees: list[Tree] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = (_unescape(field) for field in before.split()[3:5])
        kind, _, options = after.split(" ", 2)
        known = frozenset(options.split(",")) & ours.keys() if kind == "cgroup" else frozenset({"0"})
        if kind not in ("cgroup", "cgroup2") or not known & ours.keys():
            continue
        path = ours[min(known)]
        own = os.path.normpath(f"{mount}/{os.path.relpath(path, root)}" if path.startswith(root) else mount)
        if all(tree.mount != mount for tree in trees):
            trees.append(Tree(mount, own, 1 if kind == "cgroup" else 2, known - {"0"}))
    return trees


def _unescape(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def pick_cpus(count: int) -> list[int]:
    """The CPUs a drill may use: those with the highest numbers of those that this process may."""
    return sorted(os.sched_getaffinity(0))[-count:]


def read(path: str) -> str:
    """A file's text, stripped; '' when there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""


def plan_groups(
    trees: list[Tree],
    name: str,
    key: str,
    memory_bytes: int,
    processes: int,
    cpus: list[int],
    cpu_percent: int = 0,
    read: Callable[[str], str] = read,
) -> Plan:
    """Folders and limits for one drill, called santabpf-drill-<key>/<name> in each tree.

    It is held to its CPUs by a cpuset. Where it can have none it gets a quota instead, of as many CPUs' time: its own
    mask would not hold it, since it is root. A drill with a share of a CPU gets that first, whoever else wants it: it
    waits for its limit, not for others.

    read gives a file's text, stripped, and '' when there is none. Raises CannotContain with the controller that lacks.
    """
    whole = 100 * len(cpus)
    asked = (*NEEDED, "cpu") if cpu_percent else NEEDED
    second = next((tree for tree in trees if tree.version == 2), None)
    refusals: list[list[str]] = []
    for needed, percent in (((*asked, "cpuset"), cpu_percent), ((*NEEDED, "cpu"), min(cpu_percent or whole, whole))):
        bounds = _Bounds(memory_bytes, processes, cpus, PERIOD_US * percent // 100, is_first=cpu_percent > 0)
        limited = _first_version(trees, name, key, bounds, read)
        identity = _identity(second, name, key, limited, needed, _files(bounds), read)
        lacking = [controller for controller in needed if controller not in limited]
        if not lacking:
            return _joined([*([identity] if identity else []), *(limited[n] for n in _ORDER if n in limited)])
        refusals.append(lacking)
    words = ["cpuset or cpu" if name not in asked else name for name in min(refusals, key=len)]
    raise CannotContain(
        f"a drill can't be kept within bounds here: no control group below ours can limit {' and '.join(words)}"
    )


@dataclass(frozen=True)
class _Bounds:
    """What the groups are to hold a drill to."""

    memory_bytes: int
    processes: int
    cpus: list[int]
    quota_us: int  # of CPU time in each period; 0: what there is
    is_first: bool  # gets it before all others


def _first_version(
    trees: list[Tree], name: str, key: str, bounds: _Bounds, read: Callable[[str], str]
) -> dict[str, Group]:
    """The group of each controller that is one of version 1 here."""
    limited: dict[str, Group] = {}
    for tree in trees:
        if tree.version != 1:
            continue
        top = f"{tree.own}/{PREFIX}{key}"
        leaf = f"{top}/{name}"
        if "memory" in tree.controllers and "memory" not in limited:
            writes = [(f"{leaf}/memory.limit_in_bytes", str(bounds.memory_bytes))]
            if read(f"{tree.own}/memory.memsw.limit_in_bytes"):
                writes.append((f"{leaf}/memory.memsw.limit_in_bytes", str(bounds.memory_bytes)))
            limited["memory"] = Group(top, leaf, tuple(writes))
        if "pids" in tree.controllers and "pids" not in limited:
            limited["pids"] = Group(top, leaf, ((f"{leaf}/pids.max", str(bounds.processes)),))
        if "cpu" in tree.controllers and "cpu" not in limited and bounds.quota_us:
            writes = [(f"{top}/cpu.shares", "262144")] if bounds.is_first else []
            writes.append((f"{leaf}/cpu.cfs_period_us", str(PERIOD_US)))
            writes.append((f"{leaf}/cpu.cfs_quota_us", str(bounds.quota_us)))
            limited["cpu"] = Group(top, leaf, tuple(writes))
        if "cpuacct" in tree.controllers and "cpuacct" not in limited and bounds.quota_us:
            limited["cpuacct"] = Group(top, leaf, ())  # so that what is used stands beside the quota
        if "cpuset" in tree.controllers and "cpuset" not in limited:
            both = (("cpus", _list(bounds.cpus)), ("mems", read(f"{tree.own}/cpuset.mems")))
            pairs = [(f"{at}/cpuset.{what}", value) for at in (top, leaf) for what, value in both]
            limited["cpuset"] = Group(top, leaf, tuple(pairs))
    return limited


def _files(bounds: _Bounds) -> dict[str, list[tuple[str, str]]]:
    """What is written for each controller of version 2."""
    weight = [("cpu.weight", "10000")] if bounds.is_first else []
    return {
        "memory": [("memory.max", str(bounds.memory_bytes)), ("memory.swap.max", "0")],
        "pids": [("pids.max", str(bounds.processes))],
        "cpuset": [("cpuset.cpus", _list(bounds.cpus))],
        "cpu": [*weight, ("cpu.max", f"{bounds.quota_us} {PERIOD_US}")] if bounds.quota_us else [],
    }


def _list(cpus: list[int]) -> str:
    return ",".join(map(str, cpus))


def _joined(found: list[Group]) -> Plan:
    """One group for each folder, with all that is written there."""
    groups: list[Group] = []
    for group in found:
        same = next((i for i, other in enumerate(groups) if other.leaf == group.leaf), None)
        if same is None:
            groups.append(group)
        elif groups[same].writes != group.writes:
            groups[same] = Group(group.top, group.leaf, groups[same].writes + group.writes)
    return Plan(tuple(groups))


def _identity(
    tree: Tree | None,
    name: str,
    key: str,
    limited: dict[str, Group],
    needed: tuple[str, ...],
    values: dict[str, list[tuple[str, str]]],
    read: Callable[[str], str],
) -> Group | None:
    """The group in the version 2 tree; fills `limited` with what version 1 does not limit. None without such a tree."""
    if tree is None:
        return None
    wanted = {n for n in needed if n not in limited}
    parent = tree.own
    while wanted - set(read(f"{parent}/cgroup.subtree_control").split()) and parent != tree.mount:
        parent = os.path.dirname(parent)
    given = set(read(f"{parent}/cgroup.subtree_control").split())
    if wanted - given:
        parent = tree.own
    top = f"{parent}/{PREFIX}{key}"
    writes: list[tuple[str, str]] = []
    for controller, files in values.items():
        if files and controller in given and controller not in limited:
            pairs = [(f"{top}/{file}", value) for file, value in files]
            writes += pairs
            limited[controller] = Group(top, f"{top}/{name}", tuple(pairs))
    return Group(top, f"{top}/{name}", tuple(writes))
