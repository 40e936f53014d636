"""Each probe's README says what stands in its probe.yaml, and what it does not measure."""

from __future__ import annotations

import pytest
from guest.image import KERNELS
from probes import plants

from santabpf.probes import all_probes
from santabpf.probes.cost import load_cost


@pytest.mark.parametrize("name", all_probes())
def test_the_columns_are_those_of_the_yaml(name: str) -> None:
    probe = all_probes()[name]
    text = (probe.folder / "README.md").read_text(encoding="utf-8")
    for table in probe.tables:
        for column in table.schema.columns:
            if column.kind != "pad":
                row = f"| `{column.name}` | {column.unit} | {column.description} |"
                assert row in text, f"{table.name}: {row}"
    assert text.startswith(f"# {name}: ")
    for heading in ("## What it does not measure", "## An example", "## Cost", "## Kernels", "## Sources"):
        assert heading in text
    cost = load_cost(probe.folder)
    assert cost is not None, f"santabpf bench --costs {name}"
    assert cost.pairs >= 20
    assert cost.to_sentence() in text


@pytest.mark.parametrize("name", all_probes())
def test_the_kernels_are_those_on_which_it_is_planted(name: str) -> None:
    probe = all_probes()[name]
    tried = [kernel for kernel in KERNELS if name in plants.planted_on(kernel)]
    tried += [case.name.removeprefix("linux-") for case in sorted((probe.folder / "cases").glob("linux-*"))] or ["6.18"]
    first = "Tried on " + f"{', '.join(tried[:-1])} and {tried[-1]}"
    assert probe.kernels.startswith((f"{first}.", f"{first},", f"{first};"))
    assert f"## Kernels\n\n{probe.kernels}\n" in (probe.folder / "README.md").read_text(encoding="utf-8")
