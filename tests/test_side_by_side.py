"""The order of the suite, its groups, and that nothing goes on when it is stopped in the midst of them."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import side_by_side
from guest.fixtures import wanted_kernel

STARTS = """
import subprocess
import pytest

@pytest.fixture
def server():
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield child
    child.kill()
    child.wait()

def test_it(server, tmp_path_factory):
    (tmp_path_factory.getbasetemp().parent / f"started-{server.pid}").touch()
    server.wait()
"""


def test_each_group_is_whole_and_guests_come_after_what_they_would_slow_down(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    groups = [name for name, _ in itertools.groupby(items, lambda item: side_by_side.group(item.nodeid))]
    assert len(groups) == len(set(groups))
    kernels = [name for name, _ in itertools.groupby(map(wanted_kernel, items)) if name]
    assert len(kernels) == len(set(kernels))
    if kernels:
        beside = itertools.dropwhile(lambda item: not wanted_kernel(item), items)
        marks = {mark.name for item in beside if not wanted_kernel(item) for mark in item.iter_markers()}
        assert not marks & {"bpf", "ssh", "browser"}


def test_who_shares_a_guest_or_a_jupyterlab_is_in_its_group(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        name, kernel = side_by_side.group(item.nodeid), wanted_kernel(item)
        assert bool(kernel) == (name == "guests"), item
        assert ("lab" in getattr(item, "fixturenames", ())) == (name == "lab"), item


@pytest.mark.parametrize(
    ("args", "count"),
    [(["tests"], None), (["tests/elf"], None), (["a.py"], 0), (["a.py::test_x[1]", "b.py"], 0), (["a.py"] * 4, None),
     (["a.py", "tests/elf"], None)],
)  # fmt: skip
def test_a_few_files_need_no_workers(args: list[str], count: int | None) -> None:
    config = cast("pytest.Config", SimpleNamespace(args=args))
    some = len(os.sched_getaffinity(0)) + side_by_side.MORE
    assert side_by_side.workers(config) == (some if count is None else count)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_goes_on_when_it_is_stopped(number: signal.Signals, tmp_path: Path) -> None:
    """As by Ctrl-C, which all processes in the foreground get, or by who ends `make`, which pytest's workers do not."""
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text(STARTS)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadscope"]
    told = subprocess.Popen(
        [*argv, "--rootdir", tmp_path, "--basetemp", tmp_path / "base", tmp_path], start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    deadline = time.monotonic() + 60
    while len(started := list(tmp_path.glob("base/started-*"))) < 2:
        assert told.poll() is None, told.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (os.killpg if number == signal.SIGINT else os.kill)(told.pid, number)
    told.communicate(timeout=60)
    pids = [path.name.rpartition("-")[2] for path in started]
    while (left := [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
