"""Fixtures that several rooms' tests share, and the switch that turns a skipped test into a failed one.

Markers: bpf (root, bcc, a kernel that lets BPF be used), ssh (sshd, which the test starts on loopback), browser,
guest (qemu and debootstrap, for a second node with another kernel: see tests/guest).
Where one can't run, it skips and says why; with --require-bpf, or SANTABPF_REQUIRE=1, such a skip is a failure (for a
guest only where qemu could be installed).
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import side_by_side
from guest.fixtures import could_be_installed, end_guest, guest, guest_host, why_no_guest
from on_the_node import Traces
from own_sshd import Sshd

pytest.register_assert_rewrite("probes.expect")  # so that expectations fail with what they compared
SWITCHED = ("bpf", "ssh", "browser", *(["guest"] if could_be_installed() else []))
__all__ = ["guest", "guest_host"]  # fixtures that are made elsewhere


hypothesis.settings.register_profile("untimed", deadline=None)  # what it takes says nothing on a busy machine
hypothesis.settings.load_profile("untimed")


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what the tests start must hear Ctrl-C


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-bpf",
        action="store_true",
        default=os.environ.get("SANTABPF_REQUIRE") == "1",
        help="a skipped bpf, ssh, browser or guest test is a failed one",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return side_by_side.workers(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return side_by_side.Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = side_by_side.in_order(items)
    reasons = {"bpf": why_no_bpf, "ssh": why_no_ssh, "browser": why_no_browser, "guest": why_no_guest}
    for item in items:
        for name, reason in reasons.items():
            if item.get_closest_marker(name) and (why := reason()):
                item.add_marker(pytest.mark.skip(reason=f"{name}: {why}"))


@pytest.hookimpl(trylast=True)  # after the fixtures that still use it
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    end_guest(item, nextitem)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    switched = any(item.get_closest_marker(name) for name in SWITCHED)
    if report.skipped and switched and item.config.getoption("require_bpf") and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, where a skip is a failure: {why}"
    return report


@functools.cache
def why_no_bpf() -> str:
    """Why BPF can't be tried here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel has no BTF"
    try:
        bcc = subprocess.run(["/usr/bin/python3", "-c", "import bcc"], capture_output=True)
    except OSError as exc:
        return f"/usr/bin/python3: {exc.strerror}"
    if bcc.returncode:
        return "no bcc: apt-get install python3-bpfcc"
    return Traces.why_no_bpf()


@functools.cache
def why_no_ssh() -> str:
    """Why no sshd can be started here; empty when it can."""
    missing = [name for name in ("/usr/sbin/sshd", "ssh", "ssh-keygen") if not shutil.which(name)]
    return f"there is no {missing[0]}: apt-get install openssh-server openssh-client" if missing else ""


@functools.cache
def why_no_browser() -> str:
    """Why no browser can be started here; empty when it can."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return "there is no Chromium: apt-get install chromium"
    return ""


@pytest.fixture
def make_sshd() -> Iterator[Callable[..., Sshd]]:
    """Starts sshds of our own on loopback: make_sshd(), make_sshd(user="tester", lines=["MaxAuthTries 1"])."""
    started: list[Sshd] = []

    def make(**options: object) -> Sshd:
        started.append(Sshd(**options))
        return started[-1]

    yield make
    for sshd in reversed(started):
        sshd.close()


@pytest.fixture
def sshd(make_sshd: Callable[..., Sshd]) -> Sshd:
    """One sshd of our own: open_transport(sshd.node, **sshd.options) leads there, and nothing of ~/.ssh is used."""
    return make_sshd()


@pytest.fixture
def traces() -> Traces:
    """What an elf could leave behind on this machine: processes and BPF programs."""
    return Traces()
