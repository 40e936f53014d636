"""What a probe was measured to cost: cost.yaml in its folder, written by `santabpf bench --costs`.

In: that file. Out: a Cost, and the sentence that its README must hold. Never: measures anything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from ..schema import Fields, load_yaml

FILE = "cost.yaml"


class Cost(NamedTuple):
    """One measurement: a load that hits the probe hard, in alternating pairs with and without it.

    dearer, low, high  how much more CPU the same work took, of the load and the elf together, in percent: median of the
                       pairs, and its 95 % interval
    slower             how much longer it took, in percent: the median; on a shared machine less sure
    bpf_ns             time in the probe's programs for each run of one, by the kernel's count; None where it has none
    runs               how often they ran in a second under that load; None where there are none
    elf_percent        the elf's own CPU meanwhile, in percent of one core
    """

    load: str
    pairs: int
    dearer: float
    low: float
    high: float
    slower: float
    bpf_ns: int | None
    runs: int | None
    elf_percent: float
    machine: str
    date: str

    def to_text(self) -> str:
        """One line, for `santabpf probes`."""
        programs = "" if self.bpf_ns is None else f"; {self.bpf_ns} ns a run, {self.runs:,} runs a second"
        return f"{self.dearer:+.1f} % CPU ({self.low:+.1f} to {self.high:+.1f}) under {self.load}{programs}"

    def to_sentence(self) -> str:
        """For the README."""
        programs = ""
        if self.bpf_ns is not None:
            programs = f" Its programs ran {self.runs:,} times a second, {self.bpf_ns} ns each."
        return (
            f"Measured in {self.pairs} alternating pairs with and without it: {self.load} and the elf together took "
            f"{self.dearer:+.1f} % CPU for the same work (median; 95 % interval {self.low:+.1f} to "
            f"{self.high:+.1f} %), which lasted {self.slower:+.1f} %.{programs} "
            f"The elf alone took {self.elf_percent:.1f} % of a core ({self.machine}, {self.date})."
        )

    def write(self, folder: Path) -> None:
        """Into cost.yaml, and into the README of that folder. Raises ValueError where the README has no "## Cost"."""
        lines = ["# Written by `santabpf bench --costs`: what the names mean is told in santabpf/probes/cost.py."]
        lines += [f"{name}: {json.dumps(value)}" for name, value in self._asdict().items()]  # JSON is YAML
        (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        readme = folder / "README.md"
        before, heading, after = readme.read_text(encoding="utf-8").partition("## Cost\n\n")
        if not heading:
            raise ValueError(f"{readme}: there is no heading ## Cost with an empty line below it")
        kept = after.split("\n\n", 1)[1] if after.startswith("Measured in ") else after
        readme.write_text(f"{before}{heading}{self.to_sentence()}\n\n{kept}", encoding="utf-8")


def load_cost(folder: Path) -> Cost | None:
    """What stands in its cost.yaml; None where nothing was measured yet. Raises BadScenario for a broken file."""
    path = folder / FILE
    if not path.exists():
        return None
    fields = Fields(load_yaml(path), path)
    none = type(None)
    cost = Cost(
        fields.take("load", str), fields.take("pairs", int), fields.take("dearer", float), fields.take("low", float),
        fields.take("high", float), fields.take("slower", float), fields.take("bpf_ns", (int, none)),
        fields.take("runs", (int, none)), fields.take("elf_percent", float), fields.take("machine", str),
        fields.take("date", str),
    )  # fmt: skip
    fields.done()
    return cost
