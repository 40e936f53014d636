"""Starts an elf on a node and hands on its bytes. In: a transport and a plan. Out: bytes of frames, in pieces.

    with launch(transport, plan) as stream:
        for chunk in stream:            # b"" when nothing came for a moment, so that the loop can look at its clock
            ...
            stream.stop()               # asks the elf to finish; the loop goes on until its last byte

The elf's code travels as a zip over stdin and is imported from memory: nothing is written on the node. Santa pings
once a second; an elf that hears nothing for some seconds leaves by itself. This module never reads a frame's payload.
"""

from __future__ import annotations

import io
import json
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import wire
from .errors import CannotRecord, ConnectionLost, NodeError
from .transport import Channel, Transport
from .units import format_bytes

PYTHON = "/usr/bin/python3"  # the distribution's, since the distribution's bcc is what it imports
PING_S = 1.0
SILENCE_S = 10.0  # an elf sends a tick each second; after this long without one it hangs, or the way to it does
START_S, PROBE_S = 90.0, 20.0  # and for each probe: it compiles in 0.2 s, in 3 s where it is emulated
STOP_S = 10.0
DRAIN_BYTES, DRAIN_S = 256 << 10, 120.0  # a slow link, or a node without a CPU to spare
IDLE_S = 0.25  # after so long without a byte, the loop gets b""

# Runs on the node. Reads exactly the zip from stdin and not a byte more: the plan and the pings come after it.
BOOTSTRAP = """\
import os, sys
if sys.version_info < (3, 9):
    sys.exit("santabpf: Python %d.%d is too old, 3.9 is needed" % sys.version_info[:2])
def take(count):
    data = b""
    while len(data) < count:
        more = os.read(0, count - len(data))
        if not more:
            sys.exit("santabpf: the connection ended before the code was here")
        data += more
    return data
code = os.memfd_create("santabpf")
os.write(code, take(int.from_bytes(take(4), "little")))
sys.path.insert(0, "/proc/self/fd/%d" % code)
from santabpf.elf.main import main
sys.exit(main())
"""
def command(module: str) -> list[str]:
    """What runs main() of a module that comes in a zip: 4 bytes of length, little-endian, and the zip, on stdin."""
    # -I: no PYTHON* variables and no current folder on the path; -B: no .pyc file is left behind.
    # As one line: a login shell like csh takes no others.
    return [PYTHON, "-I", "-B", "-c", f"exec({BOOTSTRAP.replace('santabpf.elf.main', module)!r})"]


COMMAND = command("santabpf.elf.main")
#: What reads the symbols of files; its request follows the zip, to the end of its input.
SYMBOLS_COMMAND = command("santabpf.elf.symbols")

# Whoever may run Python as root may do anything as root; sudo can't be asked for less here.
SUDOERS = f"echo \"$USER ALL=(root) NOPASSWD: {PYTHON}\" | sudo tee /etc/sudoers.d/santabpf"


def code_zip(elf: Path | None = None) -> bytes:
    """The elf's code as a zip: an empty santabpf/__init__.py, wire.py and elf/*.py. Same code, same bytes."""
    here = Path(__file__).parent
    elf = elf or here / "elf"
    files = {"santabpf/__init__.py": b"", "santabpf/wire.py": (here / "wire.py").read_bytes()}
    for path in sorted(elf.rglob("*.py")):
        files[f"santabpf/elf/{path.relative_to(elf).as_posix()}"] = path.read_bytes()
    return zipped(files)


def zipped(files: dict[str, bytes]) -> bytes:
    """Files as a zip; the same ones give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return out.getvalue()


def launch(
    transport: Transport,
    plan: dict[str, Any],
    *,
    start_s: float | None = None,
    silence_s: float = SILENCE_S,
    code: bytes | None = None,
) -> Stream:
    """An elf, started when the stream is entered. code: another zip than the elf's own, for tests."""
    patience_s = START_S + PROBE_S * len(plan.get("probes", ())) if start_s is None else start_s
    return Stream(transport, plan, code_zip() if code is None else code, patience_s, silence_s)


class Stream:
    """The bytes of one elf, from its start to its end; a context manager that leaves no elf behind.

    Iterating raises CannotRecord when the elf never came up (no Python, no sudo), and ConnectionLost when it ended
    without a BYE, or when nothing came for silence_s (start_s before the first byte).
    """

    def __init__(self, transport: Transport, plan: dict[str, Any], code: bytes, start_s: float, silence_s: float):
        text = json.dumps(plan, separators=(",", ":")).encode()
        self._input = struct.pack("<I", len(code)) + code + struct.pack("<I", len(text)) + text
        self._transport = transport
        self._start_s = start_s
        self._silence_s = silence_s
        self._channel: Channel | None = None
        self.pings: list[int] = []  # when each was sent; UTC ns, by this machine's clock
        self._left = threading.Event()
        self._stopping = False
        self._stop_s = STOP_S
        self._waited_s, self._drained = 0.0, 0  # for the elf, since it was asked to finish; bytes that came since
        self._tail = b""
        self._noise = b""
        self._begun = False
        self._over = False

    @property
    def said_bye(self) -> bool:
        """Whether the stream, so far, ends with a whole BYE frame."""
        at = self._tail.rfind(wire.MAGIC)
        head = self._tail[at : at + wire.HEADER_BYTES] if at >= 0 else b""
        if len(head) < wire.HEADER_BYTES or head[5] != wire.BYE:
            return False
        return len(self._tail) - at - wire.HEADER_BYTES == int.from_bytes(head[24:28], "little")

    @property
    def err(self) -> str:
        """What the elf has written to its stderr, if anything: its end, for people."""
        return self._channel.err().decode("utf-8", "backslashreplace").strip() if self._channel else ""

    def __enter__(self) -> Self:
        try:
            self._channel = self._transport.start(COMMAND, sudo=True)
            self._send(self._input)
            threading.Thread(target=self._ping, name="santabpf-ping", daemon=True).start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the elf, whatever it is doing. Never raises."""
        self._left.set()
        self._over = True
        if self._channel is not None:
            self._channel.close()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ask the elf to finish: it drains, says BYE and leaves. Go on iterating to get what is left.

        timeout_s is how long may be waited for that, and a second more for each DRAIN_BYTES that come meanwhile, up to
        DRAIN_S: rings and pipes may be full. What the reader does with what came doesn't count.
        """
        if not self._stopping:
            self._stopping, self._stop_s = True, timeout_s
            self._waited_s, self._drained = 0.0, 0
            self._send(b"q")

    def __iter__(self) -> Iterator[bytes]:
        assert self._channel is not None, "enter the stream first"
        heard = time.monotonic()
        while not self._over:
            before = time.monotonic()
            chunk = self._channel.read(IDLE_S)
            now = time.monotonic()
            self._waited_s += now - before
            self._drained += len(chunk or b"")
            if chunk == b"":
                self._over = True
                self._check_end()
                return
            if chunk:
                heard = now
                chunk = self._without_noise(chunk)
                self._tail = (self._tail + chunk)[-4096:] if len(chunk) < 4096 else chunk[-4096:]
            self._check_time(now, heard)
            self._over = self.said_bye  # what it then does to leave, nobody needs to wait for
            yield chunk or b""

    def _send(self, data: bytes) -> None:
        """Write what the elf may or may not take any more: reading tells better what has happened to it."""
        assert self._channel is not None
        try:
            self._channel.write(data)
        except ConnectionLost:
            self._left.set()

    def _ping(self) -> None:
        while not self._left.wait(PING_S):
            self.pings.append(time.time_ns())
            self._send(b".")

    def _without_noise(self, chunk: bytes) -> bytes:
        """Drop what a login shell's start-up files have printed before the first frame."""
        if self._begun:
            return chunk
        chunk = self._noise + chunk
        at = chunk.find(wire.MAGIC)
        self._begun = at >= 0
        self._noise = b"" if self._begun else chunk[-65536:]
        return chunk[at:] if self._begun else b""

    def _check_time(self, now: float, heard: float) -> None:
        node = self._transport.name
        patience = min(self._stop_s + self._drained // DRAIN_BYTES, max(self._stop_s, DRAIN_S))
        if self._stopping and self._waited_s > patience:
            some = f", though {format_bytes(self._drained)} came meanwhile" if self._drained else ""
            raise ConnectionLost(f"{node}: the recorder did not finish within {patience:g} s of being asked to{some}")
        limit = self._silence_s if self._begun else self._start_s
        if now - heard > limit:
            what = "nothing came from the recorder" if self._begun else "the recorder did not start"
            raise ConnectionLost(f"{node}: {what} for {limit:g} s{self._quoted_err()}")

    def _check_end(self) -> None:
        """The stream has ended. Raises unless it ended as it should."""
        assert self._channel is not None
        if self._begun and self.said_bye:
            return
        code = self._channel.exit_code(3)
        if not self._begun and code is not None:
            raise self._no_start(code)
        how = "without a word" if code is None else f"with exit code {code}"
        raise ConnectionLost(f"{self._transport.name}: the recorder ended {how} in mid-recording{self._quoted_err()}")

    def _no_start(self, code: int) -> NodeError:
        node, text = self._transport.name, self.err
        python_missing = PYTHON in text and ("not found" in text or "No such file" in text)
        if python_missing:
            return CannotRecord(f"{node}: there is no {PYTHON}", "apt-get install python3 python3-bpfcc")
        if "sudo" in text and ("not found" in text or "No such file" in text):
            return CannotRecord(f"{node}: recording needs root, and there is no sudo; log in as root")
        if "sudo:" in text:
            why = text.splitlines()[0].partition("sudo:")[2].strip()
            return CannotRecord(f"{node}: recording needs root, and sudo says no to this login: {why}", SUDOERS)
        if "santabpf: " in text:
            return CannotRecord(f"{node}: {text.rpartition('santabpf: ')[2]}")
        return CannotRecord(f"{node}: the recorder did not start (exit code {code}){self._quoted_err()}")

    def _quoted_err(self) -> str:
        lines = self.err.splitlines()
        return f"; it said: {lines[-1].strip()[:300]}" if lines else ""
