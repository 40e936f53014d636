"""An elf under measurement: started as a recording starts it, its bytes only kept. Decoding is measured elsewhere.

In: probes and a node. Out: what the elf cost by its own account and as seen from outside, and its frames.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from .. import wire
from ..errors import CannotRecord, SantaError
from ..launch import launch
from ..probes import parse_probe
from ..probes.source import plan as make_plan
from ..transport import open_transport
from .cost import command_of, descendants

_RING_HEADER_BYTES = 8
_READY_S = 180.0


class Told(NamedTuple):
    """What the elf's own frames tell of one table, between its first tick and its last."""

    events: int
    lost: int
    sent_bytes: int
    parts: dict[str, tuple[int, int]]  # elf, compiler, transport -> user and system ns
    private_bytes: int
    program_runs: int
    program_ns: int


class Elf:
    """One elf and the bytes it sent. A context manager: inside, it is recording.

    armed          it is there as soon as it says that it records, not only with its first event
    first_event_s  from the call that starts it to that moment
    """

    name = "santabpf"

    def __init__(
        self, specs: Sequence[str], node: str = "local", sshd_pid: int | None = None, *, armed: bool = False,
        **options: Any,
    ) -> None:  # fmt: skip
        self.plan = make_plan([parse_probe(spec) for spec in specs])
        self.chunks: list[bytes] = []
        self.first_event_s: float | None = None
        self._node, self._sshd_pid, self._options = node, sshd_pid, options
        self._ready_with = wire.HELLO if armed else wire.RING
        self._stack = ExitStack()
        self._reader = wire.Reader()
        self._ready, self._stop = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._take, name="bench-elf", daemon=True)

    def __enter__(self) -> Elf:
        self._begun = time.monotonic()
        try:
            transport = self._stack.enter_context(open_transport(self._node, **self._options))
            self._stream = self._stack.enter_context(launch(transport, self.plan))
            self._thread.start()
            self._ready.wait(_READY_S)
            if self._error is not None or self.first_event_s is None:
                raise self._error or CannotRecord(f"{self._node}: no event came within {_READY_S:g} s")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_READY_S)
        self._stack.close()

    @property
    def pids(self) -> list[int]:
        """The elf's process."""
        below = descendants(self._sshd_pid or os.getpid())
        return [pid for pid in below if b"santabpf.elf" in command_of(pid)]

    @property
    def transport_pids(self) -> list[int]:
        """The sshd that carries the elf; nobody when it is local."""
        below = descendants(self._sshd_pid) if self._sshd_pid else []
        return [pid for pid in below if command_of(pid).startswith(b"sshd")]

    def stop(self) -> None:
        """Ask it to finish, and wait until it has."""
        self._stop.set()
        self._thread.join(_READY_S)
        if self._error is not None:
            raise self._error

    @property
    def compiler_ns(self) -> int:
        """CPU time of its compiler, by the last tick; 0 where there was none."""
        ticks = self._ticks()
        compiler = ticks[-1]["parts"].get("compiler") if ticks else None
        return int(compiler["user_ns"] + compiler["system_ns"]) if compiler else 0

    def _ticks(self) -> list[dict[str, Any]]:
        reader = wire.Reader()
        return [f.json() for chunk in self.chunks for f in reader.feed(chunk) if f.kind == wire.TICK]

    def programs(self) -> tuple[int, int]:
        """(runs, ns) of all its BPF programs since it was armed; zeros where the kernel does not count them."""
        ticks = self._ticks()
        return (sum(_known(ticks[-1], "runs")), sum(_known(ticks[-1], "run_ns"))) if ticks else (0, 0)

    def told(self, table: str) -> Told:
        """Read the frames of an elf that has finished. Raises SantaError where there are not two ticks among them."""
        row = next(t for probe in self.plan["probes"] for t in probe["tables"] if t["name"] == table)
        stride = _RING_HEADER_BYTES + row["record_bytes"]
        events, ticks = 0, list[tuple[int, dict[str, Any]]]()
        reader = wire.Reader()
        for chunk in self.chunks:
            for frame in reader.feed(chunk):
                if frame.kind == wire.RING and frame.table == row["id"]:
                    events += len(frame.payload) // stride
                elif frame.kind == wire.TICK:
                    ticks.append((events, frame.json()))
        if len(ticks) < 2:
            raise SantaError("the elf ended before its second tick")
        (before, first), (after, last) = ticks[0], ticks[-1]
        return Told(
            after - before,
            _sum(last["loss"].get(table, {})) - _sum(first["loss"].get(table, {})),
            last["parts"]["elf"]["sent_bytes"] - first["parts"]["elf"]["sent_bytes"],
            {
                part: (now["user_ns"] - then.get("user_ns", 0), now["system_ns"] - then.get("system_ns", 0))
                for part, now in last["parts"].items()
                for then in [first["parts"].get(part, {})]
            },
            last["parts"]["elf"]["private_bytes"],
            sum(_known(last, "runs")) - sum(_known(first, "runs")),
            sum(_known(last, "run_ns")) - sum(_known(first, "run_ns")),
        )

    def _take(self) -> None:
        try:
            for chunk in self._stream:
                self.chunks.append(chunk)
                if not self._ready.is_set():
                    self._look(chunk)
                if self._stop.is_set():
                    self._stream.stop()
        except BaseException as exc:
            self._error = exc
        finally:
            self._ready.set()

    def _look(self, chunk: bytes) -> None:
        """Until the first event has come, or word that it is armed."""
        for frame in self._reader.feed(chunk):
            if frame.kind == wire.TROUBLE and frame.json().get("fatal"):
                raise CannotRecord(f"{self._node}: {frame.json()['message']}")
            if frame.kind == self._ready_with and frame.payload and not self._ready.is_set():
                self.first_event_s = time.monotonic() - self._begun
                self._ready.set()


def _sum(counts: dict[str, int | None]) -> int:
    return sum(n for n in counts.values() if n is not None)


def _known(tick: dict[str, Any], what: str) -> list[int]:
    return [program[what] for program in tick["programs"].values() if program[what] is not None]
