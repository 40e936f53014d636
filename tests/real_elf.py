"""A real elf, started as a Santa would start it, for the tests of this room."""

from __future__ import annotations

import io
import json
import os
import select
import struct
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

from santabpf import wire

PACKAGE = Path(wire.__file__).parent
#: As launch does: code length and zip on stdin, imported from a memfd.
BOOTSTRAP = """
import os,sys
def r(n):
    d=b""
    while len(d)<n:
        p=os.read(0,n-len(d))
        if not p: os._exit(9)
        d+=p
    return d
f=os.memfd_create("elf")
os.write(f,r(int.from_bytes(r(4),"little")))
sys.path.insert(0,"/proc/self/fd/%d"%f)
from santabpf.elf.main import main
main()
"""


def code_zip() -> bytes:
    """The elf's code as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("santabpf/__init__.py", "")
        archive.write(PACKAGE / "wire.py", "santabpf/wire.py")
        for path in sorted((PACKAGE / "elf").glob("*.py")):
            archive.write(path, f"santabpf/elf/{path.name}")
    return buffer.getvalue()


def message(data: bytes) -> bytes:
    """u32 length and the bytes."""
    return struct.pack("<I", len(data)) + data


class Elf:
    """A running elf: its frames as they come. Pings it whenever it is read."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", BOOTSTRAP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
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
        self.process.wait(10)
        self._out.close()
        if not self._in.closed:
            self._in.close()

    def send(self, what: bytes) -> None:
        """A ping or a wish."""
        self._in.write(what)
        self._in.flush()

    def hang_up(self) -> None:
        """End of file on its stdin."""
        self._in.close()

    def read(self, seconds: float) -> None:
        """Take frames for so long, pinging."""
        end = time.monotonic() + seconds
        pinged = 0.0
        while not self.ended and (left := end - time.monotonic()) > 0:
            if time.monotonic() - pinged > 0.5 and not self._in.closed:
                self.send(b".")
                pinged = time.monotonic()
            if select.select([self._out], [], [], min(left, 0.2))[0]:
                self._take()

    def _take(self) -> None:
        data = os.read(self._out.fileno(), 1 << 20)
        self.ended = not data
        self.frames += self.reader.feed(data)

    def until(self, kind: int, seconds: float = 30) -> wire.Frame:
        """The first frame of that kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for frame in self.frames:
                if frame.kind == kind:
                    return frame
            assert not self.ended, f"the elf ended without a {wire.KINDS[kind]}"
            self.read(0.05)
        raise AssertionError(f"no {wire.KINDS[kind]} in {seconds} s")

    def finish(self, seconds: float = 20) -> list[wire.Frame]:
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

    def payloads(self, kind: int, table: int) -> list[bytes]:
        """All payloads of a table."""
        return [f.payload for f in self.frames if f.kind == kind and f.table == table]
