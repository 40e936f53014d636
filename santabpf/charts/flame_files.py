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
    frames = [visible(name).replace(";", "\\x3b") or "(no name)" for name in tree.columns.name]
    return "".join(f"{';'.join(frames[at] for at in way)} {' '.join(map(str, values))}\n"
                   for way, values in _lines(tree))


def speedscope(
    stacks: Tabular, *, before: Tabular | None = None, unit: Unit | None = None, name: str = "stacks"
) -> dict[str, Any]:
    """The stacks as a file of speedscope, which shows it in a browser; `before` becomes a second profile in it.

    The order of samples is the drawing's, widest first, not that of time. Source: file-format-spec.ts of speedscope.
    """
    tree = _tree(stacks, before, unit)
    frames: dict[tuple[str, str], int] = {}
    samples, values = [], []
    shown_as = [(visible(name) or "(no name)", visible(module))
                for name, module in zip(tree.columns.name, tree.columns.module, strict=True)]
    for way, spent in _lines(tree):
        samples.append([frames.setdefault(shown_as[at], len(frames)) for at in way])
        values.append(spent)
    parts = ((" before", 0), (" after", 1)) if tree.compared else (("", 0),)
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


def _lines(info: FlameInfo) -> Iterator[tuple[list[int], tuple[int, ...]]]:
    """The way to each frame in which something was spent itself, from the outermost on, without the root; and what.

    What was spent is one number; in a difference two, before and after.
    """
    way: list[int] = []
    tree = info.columns
    spent = zip(tree.self_before, tree.self_value, strict=True) if info.compared else zip(tree.self_value, strict=True)
    for at, (depth, values) in enumerate(zip(tree.depth, spent, strict=True)):
        del way[max(depth - 1, 0):]
        if depth:
            way.append(at)
            if any(values):
                yield list(way), values
