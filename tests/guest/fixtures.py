"""The guests as fixtures. tests/conftest.py brings them in for all rooms: a test that wants one is marked `guest`."""

from __future__ import annotations

import functools
import os
import platform
import shutil
from collections.abc import Iterator

import pytest

from . import image, machine
from .machine import Guest


@functools.cache
def why_no_guest() -> str:
    """Why no guest can be booted here; empty when it can."""
    if platform.machine() != "x86_64":
        return "the guests are x86-64 and so must this machine be"
    if os.geteuid() != 0:
        return "needs root, to make the guest's image"
    return machine.why_not() or image.why_not()


def could_be_installed() -> bool:
    """Whether what lacks for a guest can be installed: then its lack is a failure where a skip is one."""
    return platform.machine() == "x86_64" and shutil.which("apt-get") is not None


def wanted_kernel(item: pytest.Item) -> str:
    """The kernel that a test's guest has to have; empty for a test without a guest."""
    marker = item.get_closest_marker("guest")
    return "" if marker is None else str(marker.kwargs.get("kernel", next(iter(image.KERNELS))))


class Host:
    """Boots guests, one at a time (pytest-xdist's other workers have their own)."""

    def __init__(self) -> None:
        self._running: Guest | None = None

    def guest(self, kernel: str) -> Guest:
        """The guest with that kernel; another one ends for it."""
        if self._running is None or self._running.kernel != kernel:
            self.close()
            self._running = Guest(image.image(kernel))
        return self._running

    def close(self) -> None:
        """End the one that runs."""
        if self._running is not None:
            self._running.close()
            self._running = None


HOST = pytest.StashKey[Host]()


@pytest.fixture(scope="session")
def guest_host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Where guests run."""
    host = request.session.stash[HOST] = Host()
    yield host
    host.close()


def end_guest(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """No guest runs while others are tested."""
    if HOST in item.session.stash and (nextitem is None or wanted_kernel(nextitem) != wanted_kernel(item)):
        item.session.stash[HOST].close()


@pytest.fixture
def guest(request: pytest.FixtureRequest, guest_host: Host) -> Guest:
    """A second node, under qemu: open_transport(guest.node, **guest.options) leads there. It is booted once.

    Its kernel is Debian's 6.1, unless the test's marker wants another: @pytest.mark.guest(kernel="6.12").
    """
    return guest_host.guest(wanted_kernel(request.node))
