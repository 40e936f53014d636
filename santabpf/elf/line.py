"""What comes from Santa: the plan, pings, the wish to finish; and what ends a recording.

In: stdin, signals. Out: the plan, and the reason to stop, None as long as there is none. Never: waits for longer than
it is told.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import time

_MAX_PLAN = 16 << 20


class Stop(Exception):
    """The reason why the elf must end: asked, eof, silence or signal."""


class Line:
    """Santa's end of the line. ``reason`` is why to stop."""

    def __init__(self, fd: int) -> None:
        self.reason: str | None = None
        self._fd = fd
        self._out = -1
        self._silence_s = 10.0
        self._heard = time.monotonic()
        self.pings = 0
        self.ping_ns = 0  # monotonic; when the last of them was heard
        self._wake, write_end = os.pipe()
        for end in (self._wake, write_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def _on_signal(self, number: int, frame: object) -> None:
        self.reason = self.reason or "signal"

    def read_plan(self) -> dict:
        """The u32 length and the JSON that follow the code on stdin. Raises Stop, ValueError."""
        (length,) = struct.unpack("<I", self._read_exactly(4))
        if length > _MAX_PLAN:
            raise ValueError(f"a plan of {length} bytes is over the limit of {_MAX_PLAN}")
        plan = json.loads(self._read_exactly(length))
        if not isinstance(plan, dict) or plan.get("version") != 1:
            raise ValueError("the plan is of a version that this elf does not know")
        self._silence_s = float(plan.get("silence_s", 10))
        return plan

    def _read_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._poll.poll(self._silence_left() * 1000)
            if self.reason is None and self._silence_left() <= 0:
                self.reason = "silence"
            if self.reason:
                raise Stop(self.reason)
            part = os.read(self._fd, min(count - len(data), 65536))
            if not part:
                raise Stop("eof")
            self._heard = time.monotonic()
            data += part
        return data

    def _silence_left(self) -> float:
        return max(0.0, self._heard + self._silence_s - time.monotonic())

    def watch(self, fd: int) -> None:
        """Wake up from wait() when this descriptor has something to read."""
        self._poll.register(fd, select.POLLIN)

    def watch_out(self, fd: int, *, waiting: bool) -> None:
        """Wake up when stdout can take more, if something waits; in any case when nobody reads it any more."""
        self._out = fd
        self._poll.register(fd, select.POLLOUT if waiting else 0)

    def unwatch(self, fd: int) -> None:
        """No longer."""
        self._poll.unregister(fd)

    def wait(self, seconds: float) -> None:
        """Sleep until something happens, or so long at most; then look whether there is a reason to stop.

        Raises Stop when nobody reads stdout any more.
        """
        ready = self._poll.poll(max(0.0, min(seconds, self._silence_left())) * 1000)
        for fd, events in ready:
            if fd == self._wake:
                os.read(self._wake, 512)
            elif fd == self._fd:
                self._hear()
            elif fd == self._out and events & (select.POLLERR | select.POLLHUP):
                raise Stop("eof")
        if self.reason is None and self._silence_left() <= 0:
            self.reason = "silence"

    def _hear(self) -> None:
        try:
            said = os.read(self._fd, 4096)
        except OSError:
            said = b""
        if not said:
            self.reason = self.reason or "eof"
            self._poll.unregister(self._fd)
        elif b"q" in said:
            self.reason = self.reason or "asked"
        if b"." in said:
            self.pings, self.ping_ns = self.pings + said.count(b"."), time.monotonic_ns()
        self._heard = time.monotonic()
