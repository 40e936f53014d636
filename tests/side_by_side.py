"""Tests side by side: which stay together, which go first, and how many workers there are.

In: the tests that were collected. Out: their order, and their groups, of which pytest-xdist gives a worker one at a
time. A group is a file, unless its tests share something dear, or count what happens on the whole node: then one comes
after the other. `make test` starts the workers; plain `pytest` has none, and the same order.
"""

from __future__ import annotations

import os
import re

import pytest
from guest.fixtures import wanted_kernel
from guest.image import KERNELS
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager, WorkerController

#: What is more than a file; told by the name alone, since who hands out the tests has not collected them.
GROUPS = (
    (r"tests/guest/test_guest(?!_making)", "guests"),  # one runs at a time: each wants a CPU, or two
    (r"tests/workbench/\w+_in_lab\.py", "lab"),  # they share a JupyterLab
    (r"tests/(bench|probes)/", "node"),  # what one plants, another would count; what loads the machine makes it lose
    (r"tests/report/", "report"),  # they read the same few reports
)
MORE = 1  # workers than CPUs: tests wait a good part of their time
NodeManager.EXIT_TIMEOUT = 20  # s; 10 are too few to end a JupyterLab: execnet lets a worker have 15 for it
FEW = 3  # files that are asked for by name, up to which no worker is started


def group(nodeid: str) -> str:
    """The tests that one worker gets together, in their order."""
    return next((name for pattern, name in GROUPS if re.match(pattern, nodeid)), nodeid.partition("::")[0])


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Group by group: what uses the real kernel, a server or a browser; guests; and beside them what uses nothing.

    A guest takes all the CPU that it can get, and what is planted in it, or here beside it, would have to wait.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group(item.nodeid), []).append(item)
    if "guests" in groups:
        groups["guests"].sort(key=lambda item: list(KERNELS).index(wanted_kernel(item)))
    return [item for members in sorted(groups.values(), key=_turn) for item in members]


def _turn(members: list[pytest.Item]) -> tuple[int, int]:
    marks = {mark.name for item in members for mark in item.iter_markers()}
    return 1 if "guest" in marks else 0 if marks & {"bpf", "ssh", "browser"} else 2, -len(members)


def workers(config: pytest.Config) -> int:
    """For `pytest -n auto`: none where only a few files are wanted, so that one sees their tests run."""
    files = [argument for argument in config.args if argument.partition("::")[0].endswith(".py")]
    if len(files) == len(config.args) <= FEW:
        return 0
    return len(os.sched_getaffinity(0)) + MORE


class Scheduling(LoadScopeScheduling):
    """Hands out groups, the next one as late as it can: a worker begins its last test when it knows what follows."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        if not self.workqueue or self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)
