"""Major faults where the kernel does not tell of which file; where it does, see plant/faults.py."""

from __future__ import annotations

import pytest
from planted import recorded
from probes.expect import faults as expect
from real_elf import plan_of

pytestmark = pytest.mark.bpf


def test_without_mm_filemap_fault_they_are_counted_and_no_file_is_claimed() -> None:
    plan = plan_of("faults")
    (probe,) = plan["probes"]
    probe["attach"] = [entry.replace("mm_filemap_fault?", "mm_filemap_gone?") for entry in probe["attach"]]
    probe["source"] = "#define HAS_MM_FILEMAP_FAULT 0\n" + probe["source"]
    table, facts = recorded(plan, "faults")
    expect.check(table, facts)
