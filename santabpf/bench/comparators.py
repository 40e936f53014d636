"""Other ways to record the same event, to be compared with: a BCC callback, bpftrace's printf, perf record.

Each is a program of its own that is started, told to stop, and counted. All get 16 MiB of buffer, as the elf's ring
has, and all run in a mount namespace of their own with tracefs mounted, since a machine need not have it mounted.
The first two leave out their own switches: each event wakes them, and that is an event again.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..elf.stubs import HEADERS
from ..errors import SantaError
from ..machine import NODE_PYTHON, why_no
from ..units import MIB
from .cost import Cpu, cpu_of

BUFFER_BYTES = 16 * MIB
READY_S = 20.0
STOP_S = 60.0
_TRACEFS = 'mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"'


class Counted(NamedTuple):
    """What a recorder got: events, events it says it lost, bytes on the disk."""

    events: int
    lost: int
    disk_bytes: int


class Comparator(NamedTuple):
    """How one of them is started, seen to be ready, and counted. The folder is its own.

    share       of the load that it is given: slow ones would take minutes for all of it
    at_its_end  whether it writes the rest of its buffers only then, so that its end is part of its cost
    """

    name: str
    why_not: str
    share: float
    at_its_end: bool
    argv: Callable[[Path], list[str]]
    environment: Callable[[Path], dict[str, str]]
    is_ready: Callable[[Path], bool]
    result: Callable[[Path], Counted]


class Running:
    """A comparator while it records: a context manager that leaves nothing running."""

    def __init__(self, comparator: Comparator, folder: Path) -> None:
        self._comparator, self._folder = comparator, folder
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self._child = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", _TRACEFS, "sh", *comparator.argv(folder)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True, cwd=folder,
                env=os.environ | {"BCC_KERNEL_SOURCE": str(_stub_headers(folder))} | comparator.environment(folder),
            )  # fmt: skip

    @property
    def pids(self) -> list[int]:
        """The recorder's process (unshare and sh have become it by exec)."""
        return [self._child.pid]

    def __enter__(self) -> Running:
        deadline = time.monotonic() + READY_S
        while not self._comparator.is_ready(self._folder):
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise SantaError(f"{self._comparator.name} did not start: {self._last_words()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> Cpu:
        """End it as Ctrl-C does. Returns: the CPU time of its whole life."""
        self._child.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_S
        while os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                raise SantaError(f"{self._comparator.name} does not end")
            time.sleep(0.02)
        cpu = cpu_of(self.pids)  # it has ended, but is not reaped yet
        self._child.wait()
        return cpu

    def counted(self) -> Counted:
        """What it got, after it has ended."""
        return self._comparator.result(self._folder)

    def close(self) -> None:
        """Kill it, if it is still there."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def _last_words(self) -> str:
        return (self._folder / "err").read_text(errors="replace").strip()[-300:]


def comparators() -> list[Comparator]:
    """All three, whether they can be run here or not."""
    return [
        Comparator(
            "BCC callback", "", 0.25, False,
            lambda folder: [NODE_PYTHON, str(Path(__file__).with_name("bcc_callback.py")), str(folder / "events")],
            lambda folder: {},
            lambda folder: b"ready" in (folder / "out").read_bytes(),
            _count_bcc,
        ),
        Comparator(
            "bpftrace printf", why_no("bpftrace", "bpftrace"), 0.25, False,
            lambda folder: ["sh", "-c", 'exec bpftrace -o "$0" -e "$1" $$', str(folder / "events"), _BPFTRACE],
            lambda folder: {"BPFTRACE_PERF_RB_PAGES": str(BUFFER_BYTES // (os.cpu_count() or 1) // 4096)},
            lambda folder: _size(folder / "events") > 0,
            _count_bpftrace,
        ),
        Comparator(
            "perf record", why_no("perf", "linux-perf"), 1.0, True,
            lambda folder: [
                "perf", "record", "-q", "-N", "-B", "-a", "-e", "sched:sched_switch", "-o", str(folder / "events"),
                "-m", f"{BUFFER_BYTES // (os.cpu_count() or 1) // MIB}M", "-D", "-1",
                "--control", f"fifo:{_fifo(folder / 'control')},{_fifo(folder / 'ack')}",
            ],
            lambda folder: {},
            _enable_perf,
            _count_perf,
        ),
    ]  # fmt: skip


# The same five facts as the probe `switches`; $1 is its own process id.
_BPFTRACE = (
    "tracepoint:sched:sched_switch /args->prev_pid != $1 && args->next_pid != $1/ "
    '{ printf("%llu %d %d %d %d\\n", nsecs, args->prev_pid, args->next_pid, args->prev_state, cpu) }'
)


def _stub_headers(folder: Path) -> Path:
    """The headers that BCC compiles against: the elf's."""
    for name, text in HEADERS.items():
        path = folder / "headers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "headers"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _count_bcc(folder: Path) -> Counted:
    events, lost = (folder / "out").read_text().split()[1:]
    return Counted(int(events), int(lost), _size(folder / "events"))


def _count_bpftrace(folder: Path) -> Counted:
    """Lines are events; it tells "Lost N events" among them."""
    events = lost = 0
    for path in (folder / "events", folder / "out", folder / "err"):
        with path.open("rb") as lines:
            for line in lines:
                if line.startswith(b"Lost "):
                    lost += int(line.split()[1])
                elif path.name == "events" and line[:1].isdigit():
                    events += 1
    return Counted(events, lost, _size(folder / "events"))


def _enable_perf(folder: Path) -> bool:
    """Tell perf to begin, and wait until it says that it has."""
    try:
        control = os.open(folder / "control", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False  # perf has not opened its end yet
    with os.fdopen(control, "wb") as to_perf, (folder / "ack").open("rb") as from_perf:
        to_perf.write(b"enable\n")
        to_perf.flush()
        return from_perf.read(4) == b"ack\n"


_PERF_HEADER = struct.Struct("<8sQQQQQQQ")  # perf.data-file-format.txt: magic, size, attr_size, attrs, data
_PERF_RECORD = struct.Struct("<IHH")
_PERF_LOST, _PERF_SAMPLE = 2, 9


def _count_perf(folder: Path) -> Counted:
    """Walk the records of perf.data: samples, and how many its LOST records tell of."""
    data = (folder / "events").read_bytes()
    magic, _, _, _, _, at, length, _ = _PERF_HEADER.unpack_from(data)
    if magic != b"PERFILE2":
        raise SantaError(f"perf.data starts with {magic!r}")
    events = lost = 0
    end = at + length
    while at < end:
        kind, _, size = _PERF_RECORD.unpack_from(data, at)
        if kind == _PERF_SAMPLE:
            events += 1
        elif kind == _PERF_LOST:
            lost += int(struct.unpack_from("<Q", data, at + 16)[0])
        at += size or end
    return Counted(events, lost, len(data))
