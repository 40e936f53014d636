"""The C text that is made from probe.yaml: the same fields, in the same places, under the same names."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.errors import BadScenario
from santabpf.probes import Probe, all_probes, load_probe
from santabpf.probes.source import plan, program_text

#: Counts the ends of processes by parent and the parity of their number: a map with a key of two fields.
COUNTER_YAML = """
name: counter
summary: Ends of processes, counted by their parent.
attach: [raw_tracepoint:sched_process_exit]
btf: {OFF_TASK_TGID: task_struct.tgid}
needs: [OFF_TASK_TGID]
cost: none
kernels: all
sources: [none]
tables:
  counter:
    source: map
    entries: %d
    description: One row is one parent.
    columns:
      - {name: ts_ns, kind: clock, unit: ns, description: "end of the second"}
      - {name: span_ns, unit: ns, description: "its length"}
      - {name: ptgid, c: s32, key: true, unit: id, description: "the parent"}
      - {name: parity, c: u32, key: true, unit: id, description: "0 or 1"}
      - {name: ends, c: u64, cumulative: true, unit: count, description: "how many"}
"""
COUNTER_C = """
RAW_TRACEPOINT_PROBE(sched_process_exit)
{
	u64 task = ctx->args[0];
	if (!is_armed() || task_tid(task) != task_tgid(task))
		return 0;
	struct counter_key key = {.ptgid = task_tgid(task_parent(task)), .parity = task_tgid(task) & 1};
	struct counter_value *value = counter_at(&key);
	if (value)
		value->ends++;
	return 0;
}
"""


def counter(folder: Path, entries: int) -> Probe:
    here = folder / "counter"
    here.mkdir()
    (here / "probe.yaml").write_text(COUNTER_YAML % entries)
    (here / "probe.bpf.c").write_text(COUNTER_C)
    return load_probe(here)


@pytest.mark.parametrize("name", [p.name for p in all_probes().values() if p.program])
def test_the_struct_has_the_columns_of_the_yaml_in_their_order(name: str) -> None:
    probe = all_probes()[name]
    text = program_text(probe)
    for table in probe.tables:
        if table.source == "ring":
            found = re.search(rf"struct {table.name}_record {{\n(.*?)\n}};", text, re.DOTALL)
            assert found is not None
            fields = [line.strip().rstrip(";") for line in found[1].splitlines()]
            assert fields == [c.c_declaration for c in table.schema.fields]


@pytest.mark.parametrize("name", [p.name for p in all_probes().values() if p.program])
def test_every_column_is_written_by_the_program(name: str) -> None:
    probe = all_probes()[name]
    assert probe.program is not None
    for table in probe.tables:
        for column in table.schema.fields if table.source == "ring" else ():
            if column.kind not in ("pad", "clock"):
                assert f"r->{column.name}" in probe.program, f"{table.name}.{column.name}"


def test_a_plan_can_be_sent_and_numbers_its_tables() -> None:
    sent = json.loads(json.dumps(plan_of("exec", "runq:min_wait_ns=5", "metrics")))
    tables = [t for p in sent["probes"] for t in p["tables"]]
    assert [(t["id"], t["name"], t["source"]) for t in tables] == [
        (1, "exec", "ring"), (2, "exec_failed", "ring"), (3, "runq", "ring"), (4, "runq_hist", "map"),
        (5, "metrics", "proc"),
    ]  # fmt: skip
    assert tables[0]["record_bytes"] == 728
    assert tables[0]["has_argv"]
    assert (tables[3]["key_bytes"], tables[3]["value_bytes"], tables[3]["array"]) == (4, 16, True)
    assert sent["probes"][1]["params"] == {"MIN_WAIT_NS": 5}
    assert sent["probes"][2]["source"] is None


def test_a_self_check_adds_16_bytes_to_a_record() -> None:
    plain, checked = (plan_of("exec", selfcheck=on)["probes"][0]["tables"][0] for on in (False, True))
    assert checked["record_bytes"] == plain["record_bytes"] + 16
    assert checked["argv"][0][0] == plain["argv"][0][0] + 8


def test_a_struct_that_c_would_pad_is_refused(tmp_path: Path) -> None:
    probe = counter(tmp_path, 64)
    text = (tmp_path / "counter/probe.yaml").read_text().replace("{name: ptgid, c: s32", "{name: ptgid, c: u64")
    (tmp_path / "counter/probe.yaml").write_text(text)
    with pytest.raises(BadScenario, match="multiple of 8: add a pad"):
        plan([(load_probe(probe.folder), {})])


@pytest.mark.bpf
def test_a_map_with_a_key_of_two_fields_counts_what_was_planted(tmp_path: Path) -> None:
    sent = plan([(counter(tmp_path, 4096), {})])
    code = "import os\nfor i in range(23):\n  if os.fork() == 0: os._exit(0)\n  os.wait()"
    with Elf(sent) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        child = subprocess.Popen(["/usr/bin/python3", "-c", code])
        child.wait()
        elf.read(1.2)
        elf.finish()
    assert elf.payloads(wire.MAP, "counter")[0] == b""
    rows = counted(elf.payloads(wire.MAP, "counter")[-1])
    assert rows[child.pid, 0] + rows[child.pid, 1] == 23
    assert abs(rows[child.pid, 0] - rows[child.pid, 1]) < 23


@pytest.mark.bpf
def test_what_found_no_room_in_a_map_is_counted(tmp_path: Path) -> None:
    with Elf(plan([(counter(tmp_path, 1), {})])) as elf:
        elf.until(wire.HELLO)
        for _ in range(23):
            subprocess.run(["sh", "-c", "/bin/true; true"], check=True)
        time.sleep(0.1)
        elf.finish()
        loss = elf.json_of(wire.TICK)[-1]["loss"]["counter"]
    kept = sum(counted(elf.payloads(wire.MAP, "counter")[-1]).values())
    assert loss["map_full"] >= 23
    assert kept >= 1
    assert loss["reserve_failed"] == 0


def counted(payload: bytes) -> dict[tuple[int, int], int]:
    """(parent, parity) -> ends on all CPUs."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    out = {}
    for at in range(0, len(payload), 8 + 8 * cpus):
        parent, parity = struct.unpack_from("<iI", payload, at)
        out[parent, parity] = sum(struct.unpack_from(f"<{cpus}Q", payload, at + 8))
    return out
