"""An elf of ten lines, and a Santa that listens to it: for tests of what lies between the two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from santabpf import wire
from santabpf.launch import Stream, code_zip, launch
from santabpf.transport import Transport

#: says hello with its plan, a tick for each ping, and bye when asked; leaves at the end of its stdin
TINY_ELF = """
import os
from santabpf import wire
def main():
    size, plan = int.from_bytes(os.read(0, 4), "little"), b""
    while len(plan) < size:
        plan += os.read(0, size - len(plan))
    os.write(1, wire.pack(wire.HELLO, 0, 0, 0, {"plan": wire.json.loads(plan), "pid": os.getpid()}))
    seq = 1
    while (byte := os.read(0, 1)) not in (b"", b"q"):
        os.write(1, wire.pack(wire.TICK, 0, seq, 0, {"heard": byte.decode()}))
        seq += 1
    if byte:
        os.write(1, wire.pack(wire.BYE, 0, seq, 0, {"reason": "asked"}))
    return 0
"""


def zipped(folder: Path, main: str = TINY_ELF) -> bytes:
    """An elf whose main.py is this text, as launch() takes it."""
    (folder / "__init__.py").write_text("")
    (folder / "main.py").write_text(main)
    return code_zip(folder)


def no_answer(stream: Stream, frame: wire.Frame) -> None:
    """What a Santa does who only listens."""


def converse(
    node: Transport,
    code: bytes,
    answer: Callable[[Stream, wire.Frame], None] = no_answer,
    plan: dict[str, Any] | None = None,
    **options: float,
) -> list[wire.Frame]:
    """Start an elf and listen to its end; answer is called with each frame. Gives all frames."""
    reader, frames = wire.Reader(), []
    with launch(node, plan or {}, code=code, **options) as stream:
        for chunk in stream:
            for frame in reader.feed(chunk):
                frames.append(frame)
                answer(stream, frame)
    return frames


def stop_at_tick(stream: Stream, frame: wire.Frame) -> None:
    """Ask the elf to finish once it has been heard to tick."""
    if frame.kind == wire.TICK:
        stream.stop()
