"""What exec, exit and fork must say of the processes that plant/containers.py planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PROBES = ("exec", "exit", "fork")

def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Each planted process names its cgroup, pod and container, though all are gone."""
    made = {row["tgid"]: row["id"] for row in facts["containers"]}
    for name in ("exec", "exit"):
        rows = [row for row in table(name).to_pylist() if row["tgid"] in made]
        assert {row["tgid"]: row["container_id"] for row in rows} == made
        assert len(rows) == len(made)
        for row in rows:
            assert row["cgroup"] == f"{facts['path']}/cri-containerd-{row['container_id']}.scope"
            assert row["pod_id"] == facts["pod_id"]
    births = [row for row in table("fork").to_pylist() if row["tgid"] in made]
    assert len(births) == len(made)
    assert all(row["cgroup"].startswith("/") and row["container_id"] is None for row in births)  # put there afterwards
