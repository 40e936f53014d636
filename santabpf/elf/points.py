"""The entries under `attach:` of a probe: what they name, and whether this node has it.

    raw_tracepoint:NAME          tracepoint:CATEGORY:EVENT
    perf_event:cpu_clock@PARAM   perf_event:page_faults_maj
    uprobe:LIB:SYMBOL            uretprobe:LIB:SYMBOL

A trailing `?` makes an entry optional. In: those texts, the node's types, formats and libraries. Never: attaches.
"""

from __future__ import annotations

import glob
import re
from typing import Callable, NamedTuple, Optional

from . import btf, procfs
from .formats import Formats

#: Software events of perf_event_open(2): name -> (config, sampled by frequency).
PERF_EVENTS = {"cpu_clock": (0, True), "page_faults_maj": (6, False)}
_FOLDERS = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
_X86_64 = 62  # EM_X86_64, elf.h

Library = Callable[[str, str], Optional[str]]


class Point(NamedTuple):
    """One entry. where: the category or library; param: the parameter that holds the frequency."""

    text: str
    kind: str
    where: str
    name: str
    param: str
    optional: bool

    @property
    def define(self) -> str:
        """The C constant that says whether the node has it."""
        return "HAS_" + re.sub(r"\W", "_", self.name).upper()

    @property
    def function(self) -> str:
        """The C function of a perf event or uprobe; those of tracepoints are found by BCC."""
        return f"{self.kind}__{self.name}"


def parse(entry: str) -> Point:
    """The entry, taken apart. What it may be was checked when the probe was read."""
    text = entry.rstrip("?")
    kind, _, rest = text.partition(":")
    rest, _, param = rest.partition("@")
    where, _, name = rest.rpartition(":")
    return Point(text, kind, where, name, param, entry.endswith("?"))


def lacking(point: Point, types: btf.BTF, formats: Formats, library: Library) -> Optional[str]:
    """Why this node can't give it; None if it can."""
    if point.kind == "raw_tracepoint":
        args = types.resolve("args " + point.name)
        return f"this kernel has no tracepoint {point.name}" if args is None else None
    if point.kind == "tracepoint":
        name = f"{point.where}:{point.name}"
        if formats.fields(name) is not None:
            return None
        return f"this kernel has no tracepoint {name}" if formats.readable else f"without tracefs there is no {name}"
    if point.kind in ("uprobe", "uretprobe"):
        if library(point.where, point.name):
            return None
        return f"this node has no lib{point.where} with {point.name}()"
    return None if point.name in PERF_EVENTS else f"there is no perf event {point.name}"


def find_library(stem: str) -> Optional[str]:
    """The file of lib<stem>.so that programs load: what the loader's cache says, else from the usual folders."""
    wanted = rb"/[^\0]*/lib" + re.escape(stem).encode() + rb"\.so[0-9.]*(?=\0)"
    known = re.findall(wanted, procfs.read_file("/etc/ld.so.cache", 16 << 20) or b"")
    paths = [path.decode(errors="surrogateescape") for path in known]
    for folder in _FOLDERS:
        paths += sorted(glob.glob(f"{folder}/lib{glob.escape(stem)}.so*"))
    return next((path for path in paths if _is_for_this_machine(path)), None)


def _is_for_this_machine(path: str) -> bool:
    """An ELF file of 64 bits for x86-64: not one for 32-bit programs, not a linker's script."""
    head = procfs.read_file(path, 20) or b""
    return head[:5] == b"\x7fELF\x02" and int.from_bytes(head[18:20], "little") == _X86_64
