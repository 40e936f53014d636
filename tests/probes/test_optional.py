"""Probes on nodes that lack what they can do without: they say so, and the rest of them loads."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from real_elf import Elf, plan_of, without

from santabpf import wire
from santabpf.probes import all_probes

OPTIONAL = [
    (name, entry.rstrip("?")) for name, probe in all_probes().items() for entry in probe.attach if entry.endswith("?")
]

#: How a program is written down, and what it is attached to.
PROGRAMS = {
    r"^RAW_TRACEPOINT_PROBE\((\w+)\)": r"raw_tracepoint:\1",
    r"^TRACEPOINT_PROBE\((\w+), (\w+)\)": r"tracepoint:\1:\2",
    r"^ENDS_AS\((\w+), \w+\)": r"tracepoint:syscalls:sys_exit_\1",
    r"^int (perf_event)__(\w+)\(": r"\1:\2",
    r"^int (u(?:ret)?probe)__(\w+)\(": r"\1:\2",
}


@pytest.mark.parametrize("name", [name for name, probe in all_probes().items() if probe.program])
def test_each_program_is_declared_under_attach_and_each_entry_there_has_one(name: str) -> None:
    """BCC attaches what it finds in the text, so that of a program that is not declared nobody asks if it can be."""
    probe, text = all_probes()[name], all_probes()[name].program or ""
    programs = [
        found.expand(entry) for pattern, entry in PROGRAMS.items() for found in re.finditer(pattern, text, re.MULTILINE)
    ]
    declared = [re.sub(r"@\w+$|(?<=probe:)\w+:", "", entry.rstrip("?")) for entry in probe.attach]
    assert Counter(programs) == Counter(declared)
    assert len(programs) == len(re.findall(r"TRACEPOINT_PROBE\(|ENDS_AS\(|^int ", text, re.MULTILINE))


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
