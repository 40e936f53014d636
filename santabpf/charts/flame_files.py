"""Stacks as files that other programs read: collapsed stacks, and speedscope's JSON.

In: a table of stacks, as flame_graph.py describes it. Out: text, or plain values for json.dumps. Never: a file. The
buttons below a flame graph (display/flame.js) make the same, byte for byte, of what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..display.escape import visible
from ..display.flame import EXPORTER, SPEEDSCOPE
from .flame_graph import FlameInfo, Unit, difference, info
from .look import Tabular


def collapsed(stacks: Tabular, *, before: Tabular | None = None, unit: Unit | None = None) -> str:
    r"""One line a stack: frames from the outermost on with `;` between them, a space, and the value.

    This is what flamegraph.pl, inferno and speedscope read. The format has no escapes: a `;` in a name is written as
    \x3b, and each control or invisible character likewise, so that a line stays one line and a frame one frame. With
    `before`, a line ends in two values, before and after, as difffolded.pl writes it. Stacks without a frame have no
    line. Empty where there are no stacks.
    """
    tree = _tree(stacks, before, unit)
    lines = []
    for at, line in _lines(tree):
        names = ";".join(visible(tree.name[frame]).replace(";", "\\x3b") or "(no name)" for frame in line)
        values = f"{tree.self_value[at]}" if tree.self_before is None else (
            f"{tree.self_before[at]} {tree.self_value[at]}")
        lines.append(f"{names} {values}\n")
    return "".join(lines)


def speedscope(
    stacks: Tabular, *, before: Tabular | None = None, unit: Unit | None = None, name: str = "stacks"
) -> dict[str, Any]:
    """The stacks as a file of speedscope, which shows it in a browser; `before` becomes a second profile in it.

    The order of samples is the drawing's, widest first, not that of time. Source: file-format-spec.ts of speedscope.
    """
    tree = _tree(stacks, before, unit)
    frames: dict[tuple[str, str], int] = {}
    samples, values = [], []
    for at, line in _lines(tree):
        samples.append([frames.setdefault((visible(tree.name[frame]) or "(no name)", visible(tree.module[frame])),
                                          len(frames)) for frame in line])
        values.append((tree.self_value[at], 0 if tree.self_before is None else tree.self_before[at]))
    parts = [("", 0)] if tree.self_before is None else [(" before", 1), (" after", 0)]
    profiles = []
    for said, column in parts:
        shown = [at for at, value in enumerate(values) if value[column]]
        profiles.append({
            "type": "sampled", "name": name + said, "unit": "nanoseconds" if tree.unit == "ns" else "none",
            "startValue": 0, "endValue": sum(values[at][column] for at in shown),
            "samples": [samples[at] for at in shown], "weights": [values[at][column] for at in shown],
        })
    return {
        "$schema": SPEEDSCOPE, "exporter": EXPORTER, "name": name, "activeProfileIndex": 0,
        "shared": {"frames": [{"name": said} | ({"file": file} if file else {}) for said, file in frames]},
        "profiles": profiles,
    }


def _tree(stacks: Tabular, before: Tabular | None, unit: Unit | None) -> FlameInfo:
    return info(stacks, unit=unit) if before is None else difference(before, stacks, unit=unit)


def _lines(tree: FlameInfo) -> Iterator[tuple[int, list[int]]]:
    """Each frame in which something was spent itself, and the way to it from the outermost on, without the root."""
    way: list[int] = []
    for at, depth in enumerate(tree.depth):
        del way[max(depth - 1, 0):]
        if depth:
            way.append(at)
            if tree.self_value[at] or (tree.self_before and tree.self_before[at]):
                yield at, list(way)
