"""What the tests do that an intruder would do, found again in security, security_files and capability_checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planted import Tables, recorded
from probes.accounts import RingTally, assert_sound
from probes.expect import security as expect
from real_elf import Elf, load, plan_of

from santabpf import wire
from santabpf.probes import expand

pytestmark = pytest.mark.bpf
LOADS = {
    "security": "os.setuid(0)",
    "security_files": "os.close(os.open(folder + '/.ssh/authorized_keys', os.O_WRONLY | os.O_CREAT))",
}
FOREVER = """
import os, sys
folder = sys.argv[1]
os.mkdir(folder + "/.ssh")
while True:
    {act}
"""


@pytest.fixture(scope="module")
def grown() -> tuple[Tables, dict[str, Any]]:
    return recorded(plan_of("security"), "security", wait_s=0.6)


def test_23_of_each_planted_thing_are_23_rows_and_what_is_none_of_them_is_no_row(
    grown: tuple[Tables, dict[str, Any]],
) -> None:
    table, facts = grown
    expect.check(table, facts)


def test_the_name_alone_is_the_set_and_with_a_parameter_the_probe() -> None:
    assert {"security", "auth", "exec"} <= set(expand("security") or [])
    assert expand("security:each_denial=1") is None


def test_where_the_kernel_tells_of_checks_of_capabilities_they_are_counted(
    grown: tuple[Tables, dict[str, Any]],
) -> None:
    table, _ = grown
    with Elf(plan_of("security")) as elf:
        missing = elf.until(wire.HELLO).json()["probes"]["security"]["missing"]
    assert (table("capability_checks").num_rows > 0) == ("raw_tracepoint:cap_capable" not in missing)


def test_the_elf_itself_does_not_show() -> None:
    with Elf(plan_of("security")) as elf:
        elf.until(wire.HELLO)
        elf.read(2.5)
        elf.finish()
        for table in ("security", "security_files"):
            rows = elf.records(table)
            assert not ((rows["tgid"] == elf.process.pid) | (rows["ptgid"] == elf.process.pid)).any()


@pytest.mark.parametrize("table", LOADS)
def test_each_ring_of_security_is_whole_and_adds_up(table: str, tmp_path: Path) -> None:
    plan = plan_of("security", selfcheck=True)
    tally = RingTally(table, next(t["id"] for t in plan["probes"][0]["tables"] if t["name"] == table))
    with Elf(plan, tally) as elf:
        elf.until(wire.HELLO)
        with load(("/usr/bin/python3", "-c", FOREVER.format(act=LOADS[table]), str(tmp_path))):
            elf.read(2)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"][table], last["truth"][table])
    assert tally.kept > 100
