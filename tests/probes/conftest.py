"""Places that several tests of probes share."""

from probes.places import cgroup, own_disk

__all__ = ["cgroup", "own_disk"]
