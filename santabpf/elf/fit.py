"""What of a probe this node can give: all of it, a part, or nothing, and why.

In: a probe of the plan, the node's types, formats and libraries. Out: a Fit. Never: compiles, attaches; so what would
happen on a kernel can be told from its files alone.
"""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

from . import btf, points
from .formats import Formats


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
    offsets = {name: _resolve(expression, types, formats) for name, expression in spec["btf"].items()}
    missing = [name for name, value in offsets.items() if value is None]
    needed = [name for name in spec["needs"] if name in missing]
    if needed:
        raise Unfit("; ".join(_no(spec, needed)))
    why = _no(spec, missing)
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
        raise Unfit("; ".join(why))
    texts = [f"{point.where}:{point.name}" for point in present if point.kind == "tracepoint"]
    return Fit(defines, formats.declarations(texts), present, missing, "; ".join(why) or None)


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


def _no(spec: dict, names: list) -> list:
    """One sentence for what BTF lacks, one for what formats lack."""
    wanted = [spec["btf"][name] for name in names]
    fields = [w for w in wanted if "field " in w]
    members = [w for w in wanted if "field " not in w]
    said = [f"this kernel's BTF has no {', '.join(members)}"] if members else []
    return said + ([f"this kernel has no {', '.join(fields)}"] if fields else [])
