"""What a tracepoint passes to its programs on this node: read from its format file, never from a kernel's version.

In: the folder `events` of tracefs. Out: offsets of fields, and for each tracepoint the C struct that TRACEPOINT_PROBE's
`args` points to. Its members have types of their width and sign only, so nothing that the kernel's headers declare is
needed, and each lies where the format says. Never: mounts tracefs.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple, Optional

from . import procfs

EVENTS = "/sys/kernel/tracing/events"
_LINE = re.compile(r"^\s*field:(.*?);\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d)", re.MULTILINE)
#: System calls' arguments are widened to 8 bytes, and an int there says that it has no sign.
_SIGNED = re.compile(r"(?:const )?(?:signed |s8|s16|s32|s64|int|short|long|char|pid_t|ssize_t|loff_t|off_t)\b")

#: Stands before all programs that use tracepoints: `args` is our struct, not the one that BCC would make.
MACRO = """\
#undef TRACEPOINT_PROBE
#define TRACEPOINT_PROBE(category, event) \\
int tracepoint__##category##__##event(struct santa_##category##__##event *args)
"""


class Field(NamedTuple):
    """One field: its name, what its format says it is, where it lies."""

    name: str
    declared: str
    offset: int
    size: int
    signed: bool


def parse(text: str) -> list[Field]:
    """The fields of a format file, but for the common ones, which programs may not read."""
    found = []
    for declaration, offset, size, signed in _LINE.findall(text):
        named = re.search(r"(\w+)\s*(?:\[[^\]]*\])?$", declaration.strip())
        if named and not named[1].startswith("common_"):
            declared = declaration.strip()[: named.start()].strip()
            array = "[]" if "[" in declaration.strip()[named.start() :] else ""
            found.append(Field(named[1], declared + array, int(offset), int(size), signed == "1"))
    return found


def struct(category: str, event: str, fields: list[Field]) -> str:
    """The C struct of a tracepoint, with padding where the format has a gap."""
    lines, at = ["\tu64 common;"], 8
    for field in sorted(fields, key=lambda f: f.offset):
        if field.offset < at or field.size == 0:  # a part of another, or one that has no bytes
            continue
        if field.offset > at:
            lines.append(f"\tchar santa_pad{at}[{field.offset - at}];")
        lines.append(f"\t{_declaration(field)};")
        at = field.offset + field.size
    body = "\n".join(lines)
    return f"struct santa_{category}__{event} {{\n{body}\n}};\n"


def _declaration(field: Field) -> str:
    """As BCC has them: `data_loc_NAME` where the format says __data_loc, which TP_DATA_LOC_READ knows."""
    name, width = field.name, field.size
    for word, prefix in (("__data_loc", "data_loc_"), ("__rel_loc", "rel_loc_")):
        if field.declared.startswith(word):
            return f"u32 {prefix}{name}"
    if field.offset % width == 0 and width in (1, 2, 4, 8) and not field.declared.endswith("[]"):
        if "*" in field.declared and width == 8:
            return f"void *{name}"
        return f"{'s' if field.signed or _SIGNED.match(field.declared) else 'u'}{8 * width} {name}"
    element = _element_bytes(field)
    if element in (2, 4, 8) and width % element == 0 and field.offset % element == 0:
        return f"{'s' if field.signed else 'u'}{8 * element} {name}[{width // element}]"
    return f"{'char' if 'char' in field.declared else 'u8'} {name}[{width}]"


def _element_bytes(field: Field) -> int:
    """The width of an array's elements, where its type says so plainly; else 1."""
    base = field.declared.removesuffix("[]").strip()
    bits = re.search(r"\b_*[us](8|16|32|64)\b|\buint(8|16|32|64)_t\b|\b__be(16|32|64)\b", base)
    if bits:
        return int(next(filter(None, bits.groups()))) // 8
    if re.search(r"\blong\b|\bsize_t\b|\*", base):
        return 8
    if re.search(r"\bshort\b", base):
        return 2
    return 4 if re.fullmatch(r"(unsigned )?int|unsigned", base) else 1


class Formats:
    """The tracepoints of this node, looked up when they are asked for."""

    def __init__(self, folder: str = EVENTS) -> None:
        self._folder = folder
        self._known: dict[str, Optional[list[Field]]] = {}

    @property
    def readable(self) -> bool:
        """Is tracefs there at all?"""
        return os.path.isdir(self._folder)

    def fields(self, point: str) -> Optional[list[Field]]:
        """The fields of CATEGORY:EVENT; None where this kernel has no such tracepoint."""
        if point not in self._known:
            text = procfs.read_file(f"{self._folder}/{point.replace(':', '/')}/format")
            self._known[point] = None if text is None else parse(text.decode(errors="replace"))
        return self._known[point]

    def resolve(self, expression: str) -> Optional[int]:
        """CATEGORY:EVENT.NAME -> the offset of that field; None if there is none."""
        point, _, name = expression.partition(".")
        return next((f.offset for f in self.fields(point) or [] if f.name == name), None)

    def declarations(self, points: list[str]) -> str:
        """C text: the structs of these tracepoints, and the macro that uses them."""
        texts = [struct(*point.split(":", 1), fields) for point in points if (fields := self.fields(point)) is not None]
        return MACRO + "".join(texts) if texts else ""
