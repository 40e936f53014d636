"""What an elf could leave behind on the machine where it ran: processes and BPF programs. Looks; changes nothing.

Several elves may run on this machine at once, so everything here is about the descendants of one process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import struct
import time
from pathlib import Path

BPF_PROG_GET_NEXT_ID = 11  # enum bpf_cmd, include/uapi/linux/bpf.h
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
ELF_MARK = b"santabpf.elf.main"  # in the command line of each elf


class Traces:
    """Processes and BPF programs, by /proc and bpf(2)."""

    @staticmethod
    def why_no_bpf() -> str:
        """Why bpf(2) can't be used; empty when it can."""
        try:
            _next_program(0)
        except OSError as exc:
            return f"bpf() says: {exc.strerror}"
        return ""

    def programs(self) -> set[int]:
        """The ids of all BPF programs of this machine."""
        found: set[int] = set()
        last: int | None = 0
        while (last := _next_program(last)) is not None:
            found.add(last)
        return found

    def programs_of(self, pids: set[int]) -> set[int]:
        """The ids of the BPF programs that these processes keep alive: by their descriptors, of programs and links."""
        found = set()
        for pid in pids:
            for info in _listed(Path(f"/proc/{pid}/fdinfo")):
                found |= {int(number) for number in re.findall(rb"^prog_id:\s*(\d+)", _read(info), re.MULTILINE)}
        return found

    def descendants(self, pid: int) -> set[int]:
        """The processes below this one, alive now."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*"):
            stat = _read(path / "stat")
            if stat:
                parents[int(path.name)] = int(stat.rpartition(b")")[2].split()[1])
        found, new = set(), {pid}
        while new:
            new = {child for child, parent in parents.items() if parent in new} - found
            found |= new
        return found

    def elves_below(self, pid: int) -> set[int]:
        """The elves among the processes below this one."""
        lines = {child: _read(Path(f"/proc/{child}/cmdline")) for child in self.descendants(pid)}
        return {child for child, line in lines.items() if line.startswith(b"/usr/bin/python3") and ELF_MARK in line}

    def left(self, pids: set[int], programs: set[int]) -> tuple[set[int], set[int]]:
        """Which of these processes (zombies apart) and BPF programs are still there."""
        alive = {pid for pid in pids if (stat := _read(Path(f"/proc/{pid}/stat"))) and b") Z" not in stat}
        return alive, programs & self.programs() if programs else set()

    def wait_gone(self, pids: set[int], programs: set[int], timeout_s: float) -> tuple[set[int], set[int]]:
        """What is left of these after at most timeout_s; two empty sets when all has gone."""
        deadline = time.monotonic() + timeout_s
        while any(left := self.left(pids, programs)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


def _next_program(after: int) -> int | None:
    """The BPF program with the smallest id above this one."""
    attr = ctypes.create_string_buffer(struct.pack("<II", after, 0).ljust(120, b"\0"), 120)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(BPF_SYSCALL[platform.machine()], BPF_PROG_GET_NEXT_ID, attr, 120) == 0:
        return int(struct.unpack_from("<I", attr.raw, 4)[0])
    number = ctypes.get_errno()
    if number == errno.ENOENT:
        return None
    raise OSError(number, os.strerror(number))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
