"""Which pod and which container a cgroup belongs to, as far as its path tells. Pure: a path in, two ids out.

The shapes, as the runtimes write them, the same below each controller of cgroup v1 and in the one tree of v2:

    Docker        /docker/<64 hex>, or with systemd /system.slice/docker-<64 hex>.scope
                  docs.docker.com/engine/containers/runmetrics, "Find the cgroup for a given container"
    Kubernetes    /kubepods[/burstable|/besteffort]/pod<uid>/<64 hex>, or with systemd
                  /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/<runtime>-<64 hex>.scope
                  where the dashes of the uid are _; a pod of quality Guaranteed has no middle part
                  kubernetes pkg/kubelet/cm/cgroup_manager_linux.go (escapeSystemdCgroupName, ToSystemd)
    containerd    cri-containerd-<64 hex>.scope; where it does not know that the kubelet uses systemd,
                  /system.slice/containerd.service/kubepods-pod<uid>.slice:cri-containerd:<64 hex>
    CRI-O         crio-<64 hex>.scope, its monitor crio-conmon-<64 hex>.scope
                  cri-o internal/config/cgmgr/systemd_linux.go
    Podman        /machine.slice/libpod-<64 hex>.scope[/container], without root below user@<uid>.service, or without
                  systemd /libpod_parent/libpod-<64 hex>; its monitor libpod-conmon-<64 hex>[.scope]
                  podman libpod/container_internal_linux.go
    LXC           /lxc.payload.<name>, before 4.0 /lxc/<name>, its monitor lxc.monitor.<name>; it has no other id
                  lxc src/lxc/cgroups/cgfsng.c

A monitor (conmon, lxc.monitor) is not in the container: only its pod is told. Of containers in containers,
the innermost. A static pod's uid is 32 hex digits without dashes (kubelet pkg/kubelet/config/common.go).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_HEX = r"[0-9a-f]{64}"
_UID = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32}"
_POD = re.compile(rf"(?:[\w.-]*kubepods[\w.-]*-)?pod({_UID})(?:\.slice)?(?::.*)?")
_CONTAINER = re.compile(rf"(?:docker|cri-containerd|crio|libpod|nerdctl)-({_HEX})(?:\.scope)?")
_BARE = re.compile(rf"{_HEX}")
_COLONS = re.compile(rf"[^:]*:[a-z-]+:({_HEX})")
_LXC = re.compile(r"lxc\.payload\.(.+)")
#: Parents below which a bare id is a container's.
_PARENTS = re.compile(rf"docker|actions_job|{_POD.pattern}")
_LXC_PARENTS = ("lxc", "lxc.payload")


class Belongs(NamedTuple):
    """What a path tells; None where it tells nothing."""

    pod_id: str | None
    container_id: str | None


@lru_cache(4096)
def belongs(path: str) -> Belongs:
    """The pod and the container of a cgroup. A pod's uid is given with dashes, as kubectl shows it.

    >>> belongs("/system.slice/docker-" + "ab" * 32 + ".scope").container_id[:8]
    'abababab'
    """
    pod = container = None
    parent = ""
    for part in path.split("/"):
        if (match := _POD.fullmatch(part)) is not None:
            pod, container = match[1].replace("_", "-"), None
        container = _container(part, parent) or container
        parent = part
    return Belongs(pod, container)


def _container(part: str, parent: str) -> str | None:
    for pattern in (_CONTAINER, _COLONS, _LXC):
        if (match := pattern.fullmatch(part)) is not None:
            return match[1]
    if _BARE.fullmatch(part) and _PARENTS.fullmatch(parent):
        return part
    return part if part and parent in _LXC_PARENTS else None
