"""Probes on nodes that lack what they can do without: they say so, and the rest of them loads."""

from __future__ import annotations

import pytest
from real_elf import Elf, plan_of, without

from santabpf import wire
from santabpf.probes import all_probes

OPTIONAL = [
    (name, entry.rstrip("?")) for name, probe in all_probes().items() for entry in probe.attach if entry.endswith("?")
]


@pytest.mark.parametrize(("probe", "entry"), OPTIONAL)
def test_the_program_asks_whether_the_node_has_what_is_optional(probe: str, entry: str) -> None:
    kind, _, name = entry.partition(":")
    if kind in ("raw_tracepoint", "tracepoint"):  # of others, the function is simply not attached
        assert f"HAS_{name.rpartition(':')[2].upper()}" in (all_probes()[probe].program or "")


@pytest.mark.bpf
@pytest.mark.parametrize("half", [0, 1])
def test_each_probe_loads_without_half_of_its_optional_entries(half: int) -> None:
    lacking = {}
    for probe in all_probes():
        mine = [entry for name, entry in OPTIONAL if name == probe]
        functions = list(dict.fromkeys(entry.rpartition(":")[2] for entry in mine))[half::2]
        if functions:  # a library's function is there for its begin and its end, or for neither
            lacking[probe] = [entry for entry in mine if entry.rpartition(":")[2] in functions]
    plan = plan_of(*lacking)
    for entry in plan["probes"]:
        without({"probes": [entry]}, *lacking[entry["name"]])
    with Elf(plan) as elf:
        found = elf.until(wire.HELLO, 120).json()["probes"]
    for probe, entries in lacking.items():
        planted = {"raw_tracepoint:no_such_" + entry.rpartition(":")[2] for entry in entries}
        assert found[probe]["state"] == "partial", found[probe]["why"]
        assert planted <= set(found[probe]["missing"])
