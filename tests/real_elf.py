"""A real elf, started as a Santa would start it, for the tests of this room."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from santabpf import wire
from santabpf.decode import Decoder
from santabpf.launch import COMMAND, code_zip
from santabpf.probes import parse_probe, table_probe
from santabpf.probes.source import plan


def plan_of(*specs: str, **options: Any) -> dict[str, Any]:
    """A plan of these probes."""
    return plan([parse_probe(spec) for spec in specs], **options)


def without(plan: dict[str, Any], *points: str) -> dict[str, Any]:
    """The plan as it is on a node that lacks these optional attach entries, such as "raw_tracepoint:NAME"."""
    for probe in plan["probes"]:
        for point in points:
            if f"{point}?" in probe["attach"]:
                lacking = "no_such_" + point.rpartition(":")[2]
                probe["attach"][probe["attach"].index(f"{point}?")] = f"raw_tracepoint:{lacking}?"
                probe["source"] = f"#define HAS_{point.rpartition(':')[2].upper()} 0\n{probe['source']}"
    return plan


SWITCH = ("perf", "bench", "sched", "pipe", "-l", "100000000")
FORKS = ("sh", "-c", "while :; do /bin/true; done")
REFUSED = ("/usr/bin/python3", "-c", """
import socket
while True:
    with socket.socket() as end:
        end.connect_ex(("127.0.0.1", 1))
""")  # fmt: skip
MISSES = ("/usr/bin/python3", "-c", """
import os
while True:
    try:
        os.open("/nowhere/at/all", os.O_RDONLY)
    except OSError:
        pass
""")  # fmt: skip
NO_PROGRAM = ("/usr/bin/python3", "-c", """
import os
while True:
    if os.fork() == 0:
        try:
            os.execv("/nowhere/at/all", ["at-all"])
        finally:
            os._exit(0)
    os.wait()
""")  # fmt: skip
NO_FORK = ("/usr/bin/python3", "-c", """
import os, resource
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
os.setuid(65534)
while True:
    try:
        os.fork()
    except BlockingIOError:
        pass
""")  # fmt: skip
NO_ROOM = ("/usr/bin/python3", "-c", """
import os
full = os.open("/dev/full", os.O_WRONLY)
while True:
    if os.fork() == 0:
        try:
            os.write(full, b"x")
        finally:
            os._exit(0)
    os.wait()
""")  # fmt: skip
FILE_READS = ("/usr/bin/python3", "-c", """
import os, tempfile
descriptor, path = tempfile.mkstemp()
os.unlink(path)
os.write(descriptor, b"x")
while True:
    os.pread(descriptor, 1, 0)
""")  # fmt: skip
POLLS = ("/usr/bin/python3", "-c", """
import select
poll = select.poll().poll
while True:
    poll(0)
""")  # fmt: skip
DISK_READS = ("/usr/bin/python3", "-c", """
import mmap, os, tempfile
descriptor, path = tempfile.mkstemp(dir="/var/tmp")
os.unlink(path)
os.write(descriptor, bytes(1 << 20))
os.fsync(descriptor)
past_the_cache, page = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, 4096)
while True:
    for at in range(0, 1 << 20, 4096):
        os.preadv(past_the_cache, [page], at)
""")  # fmt: skip

CONNECTIONS = ("/usr/bin/python3", "-c", """
import os, socket
at = socket.create_server(("127.0.0.1", 0))
if os.fork():
    while True:
        socket.create_connection(at.getsockname()).close()
while True:
    at.accept()[0].close()
""")  # fmt: skip
QUESTIONS = ("unshare", "-n", "/usr/bin/python3", "-c", """
import fcntl, os, socket, struct
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(server, 0x8914, struct.pack("16sH22x", b"lo", 1))
server.bind(("127.0.0.1", 53))
question = bytes.fromhex("000101000001000000000000") + b"\\3www\\7example\\3org\\0\\0\\1\\0\\1"
if os.fork():
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.connect(("127.0.0.1", 53))
            end.send(question)
            end.recv(512)
while True:
    asked, who = server.recvfrom(512)
    server.sendto(asked[:2] + b"\\x81\\x80" + asked[4:], who)
""")  # fmt: skip


@contextlib.contextmanager
def load(command: Sequence[str]) -> Iterator[None]:
    """Something that keeps the kernel busy; all its processes are ended at the end."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def message(data: bytes) -> bytes:
    """u32 length and the bytes."""
    return struct.pack("<I", len(data)) + data


def record_type(table: str, *, selfcheck: bool = False) -> np.dtype[Any]:
    """The ring record of a table, with the 8 bytes that the kernel puts before it."""
    probe = table_probe(table)
    assert probe is not None
    columns = next(t for t in probe.tables if t.name == table).schema.fields
    fields = [(c.name, c.numpy_type) for c in columns]
    if selfcheck:
        fields = [("check_first", "<u8"), *fields, ("check_last", "<u8")]
    return np.dtype([("length", "<u4"), ("page", "<u4"), *fields])


class Elf:
    """A running elf: its frames as they come. Pings it whenever it is read.

    on_frame: called with each frame; those for which it returns True are not kept.
    command:  what starts it, where that is not on this machine
    """

    def __init__(
        self, plan: dict[str, Any], on_frame: Callable[[wire.Frame], bool] = lambda frame: False, *,
        command: Sequence[str] = COMMAND,
    ) -> None:  # fmt: skip
        self.plan = plan
        self._on_frame = on_frame
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        self._in.write(message(code_zip()) + message(json.dumps(plan).encode()))
        self._in.flush()
        self.reader = wire.Reader()
        self.frames: list[wire.Frame] = []
        self.ended = False

    def __enter__(self) -> Elf:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)  # beside others it takes a while to let go of all probes
        self._out.close()
        with contextlib.suppress(BrokenPipeError):
            self._in.close()

    def send(self, what: bytes) -> None:
        """A ping or a wish."""
        self._in.write(what)
        self._in.flush()

    def hang_up(self) -> None:
        """End of file on its stdin."""
        self._in.close()

    def stop_reading(self) -> None:
        """Close the other end of its stdout."""
        self._out.close()

    def read(self, seconds: float) -> None:
        """Take frames for so long, pinging."""
        end = time.monotonic() + seconds
        pinged = 0.0
        while not self.ended and (left := end - time.monotonic()) > 0:
            if time.monotonic() - pinged > 0.5 and not self._in.closed:
                with contextlib.suppress(BrokenPipeError):
                    self.send(b".")
                pinged = time.monotonic()
            if select.select([self._out], [], [], min(left, 0.2))[0]:
                self._take()

    def read_while(self, act: Callable[[], Any]) -> Any:
        """Take frames as long as this function runs, in another thread; what it returns, or raises."""
        with ThreadPoolExecutor(1) as pool:
            doing = pool.submit(act)
            while not doing.done():
                self.read(0.2)
            return doing.result()

    def ping_without_reading(self, seconds: float) -> None:
        """A Santa that lives but is too slow to read."""
        self.send(b".")
        time.sleep(seconds)

    def _take(self) -> None:
        data = os.read(self._out.fileno(), 1 << 20)
        self.ended = not data
        self.frames += [frame for frame in self.reader.feed(data) if not self._on_frame(frame)]

    def until(self, kind: int, seconds: float = 120) -> wire.Frame:
        """The first frame of that kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for frame in self.frames:
                if frame.kind == kind:
                    return frame
            assert not self.ended, f"the elf ended without a {wire.KINDS[kind]}"
            self.read(0.05)
        raise AssertionError(f"no {wire.KINDS[kind]} in {seconds} s")

    def settle(self, table: str, seconds: float = 60) -> None:
        """Take frames until all is here that this table was told of before: at each second's edge its ring says so."""
        now, end = time.monotonic_ns(), time.monotonic() + seconds
        while not any(frame.kind == wire.RING and frame.t_before >= now for frame in self._of(table)):
            assert time.monotonic() < end, f"the ring of {table} says nothing"
            assert not self.ended
            self.read(0.1)

    def finish(self, seconds: float = 60) -> list[wire.Frame]:
        """Ask it to finish; all its frames."""
        self.send(b"q")
        end = time.monotonic() + seconds
        while not self.ended:
            assert time.monotonic() < end, "the elf does not end"
            if select.select([self._out], [], [], 0.2)[0]:
                self._take()
        assert self.process.wait(10) is not None
        return self.frames

    def json_of(self, kind: int) -> list[dict[str, Any]]:
        """All messages of a kind."""
        return [f.json() for f in self.frames if f.kind == kind]

    def table_id(self, table: str) -> int:
        """The table's id in the plan."""
        return next(t["id"] for p in self.plan["probes"] for t in p["tables"] if t["name"] == table)

    def payloads(self, kind: int, table: str) -> list[bytes]:
        """All payloads of a table."""
        return [f.payload for f in self._of(table) if f.kind == kind]

    def _of(self, table: str) -> list[wire.Frame]:
        return [f for f in self.frames if f.table == self.table_id(table)]

    def records(self, table: str) -> np.ndarray[Any, np.dtype[Any]]:
        """All records of a ring table so far."""
        return np.frombuffer(b"".join(self.payloads(wire.RING, table)), record_type(table))


def decoded(elf: Elf, table: str) -> list[dict[str, Any]]:
    """What Santa makes of all frames of one table."""
    decoder = Decoder(elf.plan, "node-1")
    batches = [batch for frame in elf.frames for batch in decoder.feed(packed(frame))]
    batches += decoder.finish()
    return [row for batch in batches if batch.table == table for row in batch.rows.to_pylist()]


def packed(frame: wire.Frame) -> bytes:
    """The frame's bytes."""
    header = wire.pack_header(frame.kind, frame.table, frame.seq, frame.t_before, frame.payload)
    return header + frame.payload
