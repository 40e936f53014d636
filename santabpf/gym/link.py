"""The line between a runner and the guardian of its cell: on this machine, or on another node.

In: lines of JSON, as bytes. Out: the guardian's lines. Whatever happens to the line, the guardian ends the cell: at the
end of its input, when the runner on this machine dies, and on another node when it hears nothing for some seconds.
This module knows no more of the lines than that a ping is one.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..errors import ConnectionLost
from ..launch import command, zipped
from ..transport import Transport
from .apart import apart

PATIENCE_S = 20.0
PING_S = 1.0
SILENCE_S = 10.0  # as the elf's
PING = b'{"do": "ping", "number": 0}\n'
_GUARDIAN = "from santabpf.gym.guardian import main; main()"
_FILES = ("errors.py", "gym/cell.py", "gym/groups.py", "gym/guardian.py")


class Link(Protocol):
    """A started guardian."""

    lost: str  # why the line broke; empty while it holds, and when the guardian ended by itself

    def send(self, line: bytes) -> None:
        """Give it a line. Never raises: its own lines tell what became of it."""

    def lines(self) -> Iterator[bytes]:
        """What it says, until it says no more."""

    def hang_up(self) -> None:
        """End its input, and wait until it has gone. Never raises."""


class Child:
    """A guardian on this machine."""

    def __init__(self) -> None:
        self.lost = ""
        self._lock = threading.Lock()
        self._process = apart(_GUARDIAN)
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def send(self, line: bytes) -> None:
        """Give it a line."""
        with self._lock, suppress(BrokenPipeError, ValueError):
            self._in.write(line)
            self._in.flush()

    def lines(self) -> Iterator[bytes]:
        """What it says."""
        yield from self._out
        self._out.close()

    def hang_up(self) -> None:
        """End its input; when it does not go, kill it: the kernel then kills the cell."""
        with self._lock, suppress(OSError):
            self._in.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Remote:
    """A guardian on another node, started over a transport, out of the memory of its Python."""

    def __init__(self, transport: Transport) -> None:
        self.lost = ""
        here = Path(__file__).parents[1]
        code = zipped(
            {"santabpf/__init__.py": b"", "santabpf/gym/__init__.py": b""}
            | {f"santabpf/{name}": (here / name).read_bytes() for name in _FILES}
        )
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._channel = transport.start(command("santabpf.gym.guardian"), sudo=True)
        self.send(len(code).to_bytes(4, "little") + code)
        threading.Thread(target=self._ping, name="santabpf-cell-ping", daemon=True).start()

    def send(self, line: bytes) -> None:
        """Give it a line."""
        with self._lock:
            try:
                self._channel.write(line)
            except ConnectionLost as exc:
                self._break(exc)

    def lines(self) -> Iterator[bytes]:
        """What it says."""
        rest = b""
        while True:
            try:
                data = self._channel.read(PING_S)
            except ConnectionLost as exc:
                self._break(exc)
                return
            if data == b"":
                return
            *lines, rest = (rest + (data or b"")).split(b"\n")
            yield from lines

    def hang_up(self) -> None:
        """End its input, and let go of it; it goes on by itself where the line is broken."""
        self._over.set()
        self._channel.end_input()
        if not self.lost:
            self._channel.exit_code(PATIENCE_S)
        self._channel.close()

    def _break(self, exc: ConnectionLost) -> None:
        self.lost = self.lost or str(exc)
        self._over.set()

    def _ping(self) -> None:
        while not self._over.wait(PING_S):
            self.send(PING)
