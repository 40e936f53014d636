"""This machine, without SSH: an argv in, a child process out.

A child gets its own session, so that Ctrl-C reaches Santa only, and Santa ends the child in good order.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from types import TracebackType
from typing import IO, Self

from ..errors import CannotRecord, ConnectionLost
from . import ERR_BYTES, SUDO, Completed, run_to_end

CHUNK = 1 << 20
WRITE_TIMEOUT_S = 15.0
GRACE_S = 3.0  # an elf leaves at the end of its stdin; who has not left after this time is killed


class Local:
    """The machine that Santa runs on."""

    name = "local"

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30, sudo: bool = False) -> Completed:
        """Run a command to its end. Raises CannotRecord when it isn't there, ConnectionLost when it hangs."""
        done = run_to_end(self.start(argv, sudo=sudo), stdin, timeout_s)
        if done is None:
            raise ConnectionLost(f"local: {argv[0]} did not end within {timeout_s:g} s")
        return done

    def start(self, argv: list[str], *, sudo: bool = False) -> LocalChannel:
        """Start a command. Raises CannotRecord when it isn't there."""
        full = [*SUDO, *argv] if sudo and os.geteuid() != 0 else argv
        try:
            return LocalChannel(full)
        except OSError as exc:
            if full is not argv and isinstance(exc, FileNotFoundError):
                raise CannotRecord("local: recording needs root, and there is no sudo; run it as root") from exc
            raise CannotRecord(f"local: {full[0]} can't be run: {exc.strerror}") from exc

    def close(self) -> None:
        """Nothing is kept open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalChannel:
    """A child process and its three pipes."""

    def __init__(self, argv: list[str]) -> None:
        self._child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        self._in, self._out, self._err = self._child.stdin, self._child.stdout, self._child.stderr
        os.set_blocking(self._in.fileno(), False)
        os.set_blocking(self._err.fileno(), False)
        self._err_text = b""
        self._err_open = True

    def write(self, data: bytes) -> None:
        """Give all of data to its stdin. Raises ConnectionLost where it takes no more for 15 s."""
        left = memoryview(data)
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        while left:
            try:
                left = left[os.write(self._in.fileno(), left) :]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConnectionLost("local: the process does not read its input") from None
                _wait(self._in, until=deadline, for_what=select.POLLOUT)
            except (OSError, ValueError) as exc:
                raise ConnectionLost("local: the process has closed its input") from exc

    def end_input(self) -> None:
        """The end of its stdin."""
        with contextlib.suppress(OSError):
            self._in.close()

    def read(self, timeout_s: float) -> bytes | None:
        """Bytes of its stdout; b"" at the end, None when nothing came in time."""
        deadline = time.monotonic() + timeout_s
        while not self._out.closed:
            ready = _wait(self._out, *([self._err] if self._err_open else []), until=deadline)
            if self._err in ready:
                self._take_err()
            if self._out in ready:
                return os.read(self._out.fileno(), CHUNK)
            if time.monotonic() >= deadline:
                return None
        return b""

    def err(self) -> bytes:
        """The end of what it has written to its stderr so far."""
        self._take_err()
        return self._err_text

    def _take_err(self) -> None:
        while self._err_open:
            try:
                text = os.read(self._err.fileno(), ERR_BYTES)
            except BlockingIOError:
                return
            self._err_open = bool(text)
            self._err_text = (self._err_text + text)[-ERR_BYTES:]

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code (minus the signal's number where one killed it), or None while it runs."""
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Close its pipes, wait up to 3 s until it has left, then kill it and its children."""
        try:
            self.end_input()
            if self._err_open:
                self._take_err()
            self._out.close()
            self.exit_code(GRACE_S)
        finally:
            # Also after a second Ctrl-C: nothing may be left. A child of sudo can't be killed from here; the end
            # of its stdin is what ends it.
            if self._child.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._child.pid, signal.SIGKILL)
                if self.exit_code(GRACE_S) is None:  # the kernel is still taking back what it held
                    threading.Thread(target=self._child.wait, name="santabpf-reaper", daemon=True).start()
            self._err_open = False
            self._err.close()


def _wait(*files: IO[bytes], until: float, for_what: int = select.POLLIN) -> list[IO[bytes]]:
    """The files that are ready (or at their end), as soon as one is; none when the time is up first."""
    poll = select.poll()
    for file in files:
        poll.register(file, for_what)
    ready = {fd for fd, _ in poll.poll(max(0.0, until - time.monotonic()) * 1000)}
    return [file for file in files if file.fileno() in ready]
