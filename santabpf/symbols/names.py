"""Mangled names of C++ and Rust to what their authors wrote. In pure Python: names come from nodes, and may be hostile.

Rust's newer scheme (`_R...`) has no well-kept small library; such names stay as they are.
"""

from __future__ import annotations

import re

#: Longer ones are left as they are, and what comes out is cut here: templates can be endless.
_MANGLED, _SHOWN = 2000, 400
_RUST = re.compile(r"_ZN(.+)17h[0-9a-f]{16}E")
_RUST_ESCAPES = {
    "$SP$": "@", "$BP$": "*", "$RF$": "&", "$LT$": "<", "$GT$": ">", "$LP$": "(", "$RP$": ")", "$C$": ",", "..": "::",
}  # fmt: skip
_RUST_CODE = re.compile(r"\$u([0-9a-f]{1,6})\$")


def plain(name: str) -> str:
    """The name as people write it, without a version; as it is where it is not mangled, or not well.

    >>> plain("_ZN3foo3barEi"), plain("_ZN4core3fmt5write17h0123456789abcdefE"), plain("main")
    ('foo::bar(int)', 'core::fmt::write', 'main')
    """
    name = name.partition("@")[0] or name  # of a library's version: clock_gettime@@GLIBC_2.17
    if not name.startswith("_Z") or len(name) > _MANGLED:
        return name
    import itanium_demangler

    if rust := _RUST.match(name):
        return _rust(rust[1]) or name
    mangled, dot, clone = name.partition(".")  # a compiler's copy: _Zf.part.0
    try:
        shown = str(itanium_demangler.parse(mangled) or "")
    except (NotImplementedError, RecursionError, ValueError, IndexError, KeyError, AttributeError, TypeError):
        return name
    if not shown:
        return name
    return (shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…") + dot + clone


def _rust(path: str) -> str | None:
    """3foo3bar -> foo::bar, with what stands for signs undone; None where the lengths are wrong."""
    parts = []
    while path:
        digits = re.match(r"\d{1,4}", path)
        length = int(digits[0]) if digits else 0
        part = path[len(digits[0]) : len(digits[0]) + length] if digits else ""
        if not length or len(part) < length:
            return None
        for escaped, written in _RUST_ESCAPES.items():
            part = part.replace(escaped, written)
        part = _RUST_CODE.sub(lambda code: chr(int(code[1], 16)) if int(code[1], 16) < 0xD800 else code[0], part)
        parts.append(part.removeprefix("_") if part.startswith("_<") else part)
        path = path[len(digits[0]) + length :] if digits else ""
    return "::".join(parts)
