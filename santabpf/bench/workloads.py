"""Loads that hit probes hard: real programs, on loopback and in a folder of their own, a fixed piece of work at a time.

In: an empty folder. Out: a function that does the work once, and says what an operation took of time and of CPU.
Never: leaves a process, a file or a service behind.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..errors import SantaError
from ..units import SECOND
from . import scripts
from .cost import cpu_of, descendants
from .load import last_cpu

_START_S = 10.0


class Took(NamedTuple):
    """One run: seconds an operation took, CPU seconds of it (of clients and servers), and how many there were."""

    wall_s: float
    cpu_s: float
    operations: int


Once = Callable[[], Took]


class Workload(NamedTuple):
    """A load.

    name, what  for people
    programs    what must be installed
    open        given an empty folder: a context manager, inside which the load can be run again and again
    """

    name: str
    what: str
    programs: tuple[str, ...]
    open: Callable[[Path], object]

    @property
    def why_not(self) -> str:
        """Why it can't be run here; empty when it can."""
        missing = [program for program in self.programs if not shutil.which(program)]
        return f"there is no {', '.join(missing)}" if missing else ""


@contextmanager
def _server(command: list[str], folder: Path, ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "server.log").open("wb") as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_S
        while not ready():
            if time.monotonic() > deadline or child.poll() is not None:
                words = (folder / "server.log").read_text(errors="replace")[-300:]
                raise SantaError(f"{command[0]} does not start: {words}")
            time.sleep(0.05)
        yield child
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


def _listens(port: int) -> Callable[[], bool]:
    def ready() -> bool:
        with socket.socket() as end:
            return end.connect_ex(("127.0.0.1", port)) == 0

    return ready


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise SantaError(f"{command[0]} failed: {done.stderr.strip()[-200:]}")
    return done.stdout


def _measured(
    command: list[str], folder: Path, operations: int | None, server: int | None = None, rate: str = ""
) -> Once:
    """Run a command to its end; where it is a client that tells its own rate, `rate` finds that in what it prints."""

    def once() -> Took:
        served = _cpu_s(server)
        used, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        out = _run(command, folder)
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime + _cpu_s(server) - served
        if not rate:
            assert operations is not None
            return Took(wall / operations, cpu / operations, operations)
        match = re.search(rate, out, re.MULTILINE)
        if match is None or not float(match["rate"]):
            raise SantaError(f"{command[0]} does not say how much it did")
        done = operations or int(match["requests"])
        return Took(1 / float(match["rate"]), cpu / done, done)

    return once


def _cpu_s(server: int | None) -> float:
    return 0.0 if server is None else cpu_of([server, *descendants(server)]).total_ns / SECOND


@contextmanager
def _redis(folder: Path) -> Iterator[Once]:
    port = free_port()
    server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    client = ["redis-benchmark", "-p", str(port), "-t", "set", "-n", "60000", "-c", "20", "--csv"]
    with _server(server, folder, _listens(port)) as child:
        yield _measured(client, folder, 60_000, child.pid, r'^"SET","(?P<rate>[\d.]+)"')


def _apache(*wrk: str) -> Callable[[Path], object]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Once]:
        port, modules = free_port(), "/usr/lib/apache2/modules"
        (folder / "site").mkdir()
        (folder / "site" / "index.html").write_text("hello\n")
        folder.chmod(0o755)
        (folder / "apache.conf").write_text(
            f"ServerRoot {folder}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {folder}/pid\n"
            f"DefaultRuntimeDir {folder}\nMutex file:{folder}\nErrorLog {folder}/error.log\n"
            f"LoadModule mpm_event_module {modules}/mod_mpm_event.so\n"
            f"LoadModule authz_core_module {modules}/mod_authz_core.so\nUser nobody\nGroup nogroup\nStartServers 1\n"
            f"ThreadsPerChild 25\nMaxRequestWorkers 25\nServerLimit 1\nDocumentRoot {folder}/site\n"
            f"<Directory {folder}/site>\nRequire all granted\n</Directory>\n"
        )
        client = ["wrk", "-t1", "-c16", "-d1s", *wrk, f"http://127.0.0.1:{port}/"]
        with _server(["apache2", "-X", "-f", str(folder / "apache.conf")], folder, _listens(port)) as child:
            yield _measured(
                client, folder, None, child.pid,
                r"(?P<requests>\d+) requests in [\s\S]*Requests/sec:\s+(?P<rate>[\d.]+)",
            )  # fmt: skip

    return opened


@contextmanager
def _pipe(folder: Path) -> Iterator[Once]:
    command = ["taskset", "-c", str(last_cpu()), "perf", "bench", "sched", "pipe", "-l", "150000"]
    yield _measured(command, folder, 150_000)


@contextmanager
def _forks(folder: Path) -> Iterator[Once]:
    yield _measured(["sh", "-c", "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done"], folder, 500)


@contextmanager
def _gcc(folder: Path) -> Iterator[Once]:
    (folder / "a.c").write_text("#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n")
    yield _measured(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do gcc -O1 -o a a.c; done"], folder, 10)


def _dd(*flags: str, size: int, count: int, times: int) -> Callable[[Path], object]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Once]:
        (folder / "data").write_bytes(os.urandom(1 << 20) * 32)
        dd = " ".join(["dd", "if=data", "of=/dev/null", "status=none", f"bs={size}", f"count={count}", *flags])
        yield _measured(["sh", "-c", "; ".join([dd] * times)], folder, count * times)

    return opened


@contextmanager
def _faults(folder: Path) -> Iterator[Once]:
    (folder / "data").write_bytes(os.urandom(1 << 20) * 32)
    (folder / "touch.py").write_text(
        "import mmap, os\n"
        "f = os.open('data', os.O_RDONLY)\n"
        "for turn in range(2):\n"
        "    os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)\n"
        "    m = mmap.mmap(f, 0, prot=mmap.PROT_READ)\n"
        "    m.madvise(mmap.MADV_RANDOM)\n"
        "    sum(m[i] for i in range(0, len(m), 4096))\n"
        "    m.close()\n"
    )
    os.sync()
    yield _measured(["/usr/bin/python3", "touch.py"], folder, 2 * 8192)


@contextmanager
def _refused(folder: Path) -> Iterator[Once]:
    (folder / "connect.py").write_text(
        "import socket\n"
        "for turn in range(10000):\n"
        "    with socket.socket() as end:\n"
        f"        end.connect_ex(('127.0.0.1', {free_port()}))\n"
    )
    yield _measured(["/usr/bin/python3", "connect.py"], folder, 10_000)


def _script(text: str, operations: int) -> Callable[[Path], object]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Once]:
        (folder / "load.py").write_text(text)
        yield _measured(["/usr/bin/python3", "load.py"], folder, operations)

    return opened


_WRK = ("apache2", "wrk")
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("redis", "redis-benchmark -t set -c 20", ("redis-server", "redis-benchmark"), _redis),
        Workload("apache", "wrk -c 16 on a static page of apache", _WRK, _apache()),
        Workload(
            "connections", "wrk with a new connection to apache for each request", _WRK,
            _apache("-H", "Connection: close"),
        ),
        Workload("refused", "connections to a closed port", (), _refused),
        Workload("pipe", "perf bench sched pipe", ("perf", "taskset"), _pipe),
        Workload("forks", "a shell that runs /bin/true again and again", ("sh",), _forks),
        Workload("gcc", "gcc compiling a small program again and again", ("gcc",), _gcc),
        Workload(
            "disk", "dd of 4 KiB blocks past the page cache", ("dd",),
            _dd("iflag=direct", size=4096, count=8000, times=1),
        ),
        Workload(
            "cached", "dd of 4 KiB blocks that are in the page cache", ("dd",),
            _dd(size=4096, count=8192, times=24),
        ),
        Workload(
            "questions", "DNS questions over UDP, each with its answer", (), _script(scripts.ASK, scripts.QUESTIONS)
        ),
        Workload("logins", "asking PAM again and again", (), _script(scripts.LOG_IN, scripts.LOGINS)),
        Workload(
            "kills", "processes that outgrow their cgroup's memory limit and are killed", (),
            _script(scripts.BE_KILLED, scripts.KILLS),
        ),
        Workload(
            "squeezed", "reading a file of which half has room in the reader's cgroup", (),
            _script(scripts.READ_WITHOUT_ROOM, scripts.READS),
        ),
        Workload(
            "signalled", "a process that sends itself a signal that it handles, again and again", (),
            _script(scripts.SIGNAL_ITSELF, scripts.SIGNALS),
        ),
        Workload("faults", "touching the pages of a mapped file that is not in memory", (), _faults),
    )
}  # fmt: skip
