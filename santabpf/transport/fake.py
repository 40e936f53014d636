"""A node that isn't there, for tests: replays bytes, and remembers what it was told. No process, no socket.

    Fake([hello, None, ConnectionLost("gone")])     bytes, "nothing came in time", and a connection that breaks
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from . import Completed


class Fake:
    """Every command started on it writes the same.

    chunks  what reading gives, one after another: bytes, None (nothing in time) or an exception to raise
    hangs   whether, after the last chunk, nothing comes for ever instead of the end of the stream
    """

    def __init__(
        self,
        chunks: Iterable[bytes | Exception | None] = (),
        *,
        err: bytes = b"",
        code: int | None = 0,
        hangs: bool = False,
        name: str = "fake",
    ) -> None:
        self.name = name
        self.chunks = list(chunks)
        self.err, self.code, self.hangs = err, code, hangs
        self.channels: list[FakeChannel] = []
        self.closed = False

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30, sudo: bool = False) -> Completed:
        """All bytes at once."""
        out = b"".join(chunk for chunk in self.chunks if isinstance(chunk, bytes))
        return Completed(self.code or 0, out, self.err)

    def start(self, argv: list[str], *, sudo: bool = False) -> FakeChannel:
        """A channel that replays the chunks."""
        self.channels.append(FakeChannel(self, argv, sudo))
        return self.channels[-1]

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FakeChannel:
    """One command on a Fake: argv and sudo as it was started with, and in `written` what it was told."""

    def __init__(self, fake: Fake, argv: list[str], sudo: bool) -> None:
        self.argv, self.sudo = argv, sudo
        self.written = bytearray()
        self.input_ended = False
        self.closed = False
        self._fake = fake
        self._left = list(fake.chunks)

    def write(self, data: bytes) -> None:
        """Remember it."""
        self.written += data

    def end_input(self) -> None:
        """Remember it."""
        self.input_ended = True

    def read(self, timeout_s: float) -> bytes | None:
        """The next chunk."""
        if not self._left:
            return None if self._fake.hangs else b""
        chunk = self._left.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def err(self) -> bytes:
        """What the Fake was made with."""
        return self._fake.err

    def exit_code(self, timeout_s: float) -> int | None:
        """What the Fake was made with."""
        return self._fake.code

    def close(self) -> None:
        """Remember it."""
        self.closed = True
