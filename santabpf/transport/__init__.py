"""The narrow seam between Santa and a node: run a command there, or start one and talk with it.

In: an argv. Out: bytes. Three ways to do it: Local (this machine), SSH (paramiko) and Fake (for tests).
It never reads what passes through it, and it never asks for a password.
"""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from ..errors import BadUsage, ConnectionLost

SUDO = ("sudo", "-n", "--")
ERR_BYTES = 16 << 10  # of what a command writes to its stderr, the last so many bytes are kept


class Completed(NamedTuple):
    """A command that has ended: its exit code and all that it wrote."""

    code: int
    out: bytes
    err: bytes


class Channel(Protocol):
    """A command that runs on the node, and the three streams that lead to it."""

    def write(self, data: bytes) -> None:
        """Give all of data to its stdin. Raises ConnectionLost where it takes no more."""

    def end_input(self) -> None:
        """The end of its stdin. Never raises."""

    def read(self, timeout_s: float) -> bytes | None:
        """Bytes of its stdout as they come; b"" at the end of the stream, None when nothing came in time."""

    def err(self) -> bytes:
        """The end of what it has written to its stderr so far, at most ERR_BYTES."""

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code; None while it runs, or where the connection broke before it was known."""

    def close(self) -> None:
        """Close its stdin, give it a moment to leave, then kill it where that is possible. Never raises."""


class Transport(Protocol):
    """A way to a node. A context manager: leaving it closes what was opened."""

    name: str

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30, sudo: bool = False) -> Completed:
        """Run a command to its end. With sudo: as root, by ``sudo -n`` where the login isn't root."""

    def start(self, argv: list[str], *, sudo: bool = False) -> Channel:
        """Start a command that goes on running."""

    def close(self) -> None:
        """Close the connection. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_transport(node: str, **options: Any) -> Transport:
    """'local' -> Local; '[user@]host[:port]' -> SSH, with the options that SSH takes.

    Raises BadUsage for a name that is neither, CannotConnect where there is no way to the node.
    """
    if node in ("local", "localhost-without-ssh"):
        from .local import Local

        return Local()
    if not node or node != node.strip() or node.startswith("-"):
        raise BadUsage(f"{node!r} is no node: write `local`, or [user@]host[:port]")
    from .ssh import SSH

    return SSH(node, **options)


def run_to_end(channel: Channel, stdin: bytes, timeout_s: float) -> Completed | None:
    """Feed a started command, read it to its end and close it; None when it has not ended in time."""
    deadline = time.monotonic() + timeout_s
    out: list[bytes] = []
    try:
        with contextlib.suppress(ConnectionLost):  # a command need not read what it is given
            channel.write(stdin)
        channel.end_input()
        while (left := deadline - time.monotonic()) > 0:
            chunk = channel.read(left)
            if chunk == b"":
                code = channel.exit_code(max(0.1, deadline - time.monotonic()))
                return None if code is None else Completed(code, b"".join(out), channel.err())
            out.append(chunk or b"")
        return None
    finally:
        channel.close()
