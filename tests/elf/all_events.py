"""Run by /usr/bin/python3, which has bcc: compiles the struct of every tracepoint of this kernel against the elf's stub
headers, and lets clang compare where each field lies with what its format file says. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from santabpf.elf import compile, formats

PART = 600  # events a compilation


def text_of(known: formats.Formats, points: list[str]) -> str:
    """The structs, a function that has one for each, and what must be true of them."""
    lines = [known.declarations(points)]
    for number, point in enumerate(points):
        name = "santa_" + point.replace(":", "__", 1)
        lines.append(f"int f{number}(struct {name} *args) {{ return args != 0; }}")
        for field in known.fields(point) or []:
            for prefix in ("__data_loc", "__rel_loc"):
                if field.declared.startswith(prefix):
                    field = field._replace(name=prefix.strip("_") + "_" + field.name)
            if field.size:
                member = f"((struct {name} *)0)->{field.name}"
                where = f"__builtin_offsetof(struct {name}, {field.name}) == {field.offset}"
                lines.append(f'_Static_assert({where} && sizeof({member}) == {field.size}, "{point} {field.name}");')
    return "\n".join(lines)


def main() -> None:
    os.environ["BCC_KERNEL_SOURCE"] = compile._make_private()
    from bcc import BPF

    root = Path(formats.EVENTS)
    points = sorted(f"{path.parent.parent.name}:{path.parent.name}" for path in root.glob("*/*/format"))
    known = formats.Formats()
    for at in range(0, len(points), PART):
        BPF(text=text_of(known, points[at : at + PART]), cflags=["-Wno-unused-function"])
    print(json.dumps({"events": len(points), "fields": sum(len(known.fields(point) or []) for point in points)}))


main()
