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
from xdist.workermanage import WorkerController

#: What is more than a file; told by the name alone, since who hands out the tests has not collected them.
GROUPS = (
    (r"tests/guest/test_guest_probes\.py::.*\[(?P<kernel>[\d.]+)", "linux-{kernel}-probes"),
    (r"tests/guest/test_guest(_readme|_schedule)?\.py", f"linux-{next(iter(KERNELS))}"),  # half of what is done there
    (r"tests/workbench/\w+_in_lab\.py", "lab"),  # they share a JupyterLab
    (r"tests/bench/", "bench"),  # each loads the machine
    (r"tests/probes/", "probes"),  # what one plants, another would count
    (r"tests/report/", "report"),  # they read the same few reports
)
BESIDE_GUESTS = 2  # workers more than CPUs: a guest's tests wait more than they work
FEW = 3  # files that are asked for by name, up to which no worker is started


def group(nodeid: str) -> str:
    """The tests that one worker gets together, in their order."""
    for pattern, name in GROUPS:
        if match := re.match(pattern, nodeid):
            return name.format(**match.groupdict())
    return nodeid.partition("::")[0]


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Group by group: guests first, as they take longest; then what uses the real kernel, a server or a browser."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group(item.nodeid), []).append(item)
    return [item for members in sorted(groups.values(), key=_turn) for item in members]


def _turn(members: list[pytest.Item]) -> tuple[int, int]:
    if kernel := wanted_kernel(members[0]):
        return 0, list(KERNELS).index(kernel)
    marks = {mark.name for item in members for mark in item.iter_markers()}
    return 1 if marks & {"bpf", "ssh", "browser"} else 2, -len(members)


def workers(config: pytest.Config) -> int:
    """For `pytest -n auto`: none where only a few files are wanted, so that one sees their tests run."""
    files = [argument for argument in config.args if argument.partition("::")[0].endswith(".py")]
    if len(files) == len(config.args) <= FEW:
        return 0
    return len(os.sched_getaffinity(0)) + BESIDE_GUESTS


class Scheduling(LoadScopeScheduling):
    """Hands out groups, the next one as late as it can: a worker begins its last test when it knows what follows."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        if not self.workqueue or self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)
