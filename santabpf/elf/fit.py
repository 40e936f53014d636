"""What of a probe this node can give: all of it, a part, or nothing, and why.

In: a probe of the plan, the node's types, formats and libraries. Out: a Fit. Never: compiles, attaches; so what would
happen on a kernel can be told from its files alone.
"""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

from . import btf, points
from .formats import Formats

_SHOWN = 4  # names in a sentence; the others are counted


class Unfit(LookupError):
    """The node lacks something that the probe can't do without."""


class Fit(NamedTuple):
    """defines: of the C text. declarations: C text that stands before it. points: those that are to be attached."""

    defines: dict
    declarations: str
    points: list
    missing: list
    why: Optional[str]

    @property
    def state(self) -> str:
        """on, or partial."""
        return "partial" if self.missing else "on"


def fit(spec: dict, types: btf.BTF, formats: Formats, library: points.Library) -> Fit:
    """What of this probe the node can give. Raises Unfit where that is nothing."""
    lists = {name: _names(expression, types) for name, expression in spec["btf"].items() if _is_names(expression)}
    offsets = {
        name: _resolve(expression, types, formats) for name, expression in spec["btf"].items() if name not in lists
    }
    missing = [name for name in spec["btf"] if not lists.get(name, offsets.get(name) is not None)]
    needed = [name for name in spec["needs"] if name in missing]
    if needed:
        raise Unfit(_together(_no(spec, needed, types)))
    why = _no(spec, missing, types)
    defines = {name: btf.ABSENT if value is None else value for name, value in offsets.items()}
    present = []
    for point in map(points.parse, spec["attach"]):
        reason = points.lacking(point, types, formats, library)
        if reason and not point.optional:
            raise Unfit(reason)
        if reason:
            missing.append(point.text)
            why.append(reason)
        else:
            present.append(point)
        defines[point.define] = max(defines.get(point.define, 0), int(reason is None))
    if spec["attach"] and not present:
        raise Unfit(_together(why))
    texts = [f"{point.where}:{point.name}" for point in present if point.kind == "tracepoint"]
    macros = "".join(f"#define {name}(DO) {' '.join(rows)}\n" for name, rows in lists.items())
    return Fit(defines, macros + formats.declarations(texts), present, missing, _together(why) or None)


def has_symbol(path: str, symbol: str) -> bool:
    """Is there a name like this in the file? Where it turns out to be none of its functions, attaching says so."""
    try:
        with open(path, "rb") as stream:
            return b"\0" + os.fsencode(symbol) + b"\0" in stream.read(64 << 20)
    except OSError:
        return False


def find_function(stem: str, symbol: str) -> Optional[str]:
    """The library of this node that has the function."""
    path = points.find_library(stem)
    return path if path and has_symbol(path, symbol) else None


def _resolve(expression: str, types: btf.BTF, formats: Formats) -> Optional[int]:
    """The value of the first alternative that this node knows."""
    for choice in expression.split("|"):
        word, _, rest = choice.strip().partition(" ")
        value = formats.resolve(rest.strip()) if word == "field" else types.resolve(choice)
        if value is not None:
            return value
    return None


def _is_names(expression: str) -> bool:
    """Does it ask for a whole enum: `names ENUM.PREFIX`?"""
    return expression.startswith("names ")


def _names(expression: str, types: btf.BTF) -> list:
    """C: DO(number, "NAME") for each value of the enum, without the prefix, cut to what a text of 32 bytes holds."""
    enum, _, prefix = expression.partition(" ")[2].strip().partition(".")
    known = {value: name for name, value in reversed(types.enumerators(enum).items()) if name.startswith(prefix)}
    return [f'DO({value & btf.ABSENT}U, "{name[len(prefix):][:31]}")' for value, name in sorted(known.items())]


def _no(spec: dict, names: list, types: btf.BTF) -> list:
    """Sentences about what BTF and formats lack; of a name with alternatives, about the newest."""
    members, said = [], []
    enums: dict = {}
    for expression in (spec["btf"][name] for name in names):
        word, _, rest = expression.split("|")[0].strip().partition(" ")
        if word == "enum":
            enum, _, value = rest.partition(".")
            enums.setdefault(enum, []).append(value)
        elif word == "names":
            members.append(f"enum {rest.partition('.')[0]}")
        elif word == "args":
            name, _, least = rest.partition(" ")
            said.append(f"this kernel has no tracepoint {name}" + (f" with {least} arguments" if least else ""))
        elif word == "field":
            said.append(f"this kernel has no field {rest}")
        else:
            members.append(word)
    for enum, values in enums.items():
        members.append(f"enum {enum}" + (f".{_some(values)}" if types.has_enum(enum) else ""))
    return ([f"this kernel's BTF has no {', '.join(members)}"] if members else []) + said


def _together(reasons: list) -> str:
    """All of them; those that only differ in their last word, as one."""
    by_start: dict = {}
    for reason in reasons:
        start, _, last = reason.rpartition(" ")
        by_start.setdefault(start, {})[last] = None
    return "; ".join(f"{start} {_some(list(words))}" for start, words in by_start.items())


def _some(words: list) -> str:
    """The first of them, and how many more there are."""
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
