"""The stream of a real elf: order of the frames, what a tick says, the second's edge."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
SECOND = 1_000_000_000


def test_hello_first_bye_last_and_a_tick_after_what_it_sums_up() -> None:
    with Elf(plan_of("exec", "runq", "process_cpu", "metrics")) as elf:
        elf.until(wire.HELLO)
        elf.read(2.2)
        elf.finish()
    kinds = [f.kind for f in elf.frames]
    assert kinds[0] == wire.HELLO
    assert kinds[-1] == wire.BYE
    assert kinds.count(wire.TICK) >= 3
    names = {t["id"]: t["name"] for p in elf.plan["probes"] for t in p["tables"]}
    hello = elf.frames[0].json()
    assert hello["tables"] == {name: {"id": number} for number, name in names.items()}
    for at, frame in enumerate(elf.frames):
        if frame.kind == wire.TICK:
            second_before = max(i for i, f in enumerate(elf.frames[:at]) if f.kind in (wire.HELLO, wire.TICK))
            before = {f.table for f in elf.frames[second_before:at]}
            assert set(names) <= before, "each table has sent its watermark or its reading before the tick"
    assert all(f.t_before >= hello["armed_ns"] for f in elf.frames[1:] if f.table)


def test_a_tick_tells_loss_cost_and_clock() -> None:
    with Elf(plan_of("exec", "runq")) as elf:
        elf.until(wire.HELLO)
        for _ in range(23):
            subprocess.run(["/bin/true"], check=True)
        elf.read(1.2)
        elf.finish()
        first, *_, last = elf.json_of(wire.TICK)
    none_lost = {"reserve_failed": 0, "map_full": 0, "buffer_dropped": 0}
    tables = [t["name"] for probe in elf.plan["probes"] for t in probe["tables"]]
    assert {"exec", "runq", "runq_hist"} <= set(tables)
    assert last["loss"] == dict.fromkeys(tables, none_lost)
    program: dict[str, Any] = last["programs"]["exec/sched_process_exec"]
    assert program["runs"] >= 23
    assert program["run_ns"] > 23 * 100
    assert program["missed"] is not None
    record_bytes = next(t["record_bytes"] for p in elf.plan["probes"] for t in p["tables"] if t["name"] == "exec")
    assert last["parts"]["elf"]["sent_bytes"] > 23 * record_bytes
    assert 1 << 20 < last["parts"]["elf"]["private_bytes"] < 32 << 20
    assert first["parts"]["compiler"]["user_ns"] > 0
    hello = elf.frames[0].json()
    assert abs((last["real_ns"] - last["mono_ns"]) - (hello["clock"]["real_ns"] - hello["clock"]["mono_ns"])) < SECOND
    assert "transport" not in last["parts"]


def test_no_event_is_older_than_the_arming() -> None:
    with Elf(plan_of("switches", "exec")) as elf:
        armed = elf.until(wire.HELLO).json()["armed_ns"]
        elf.read(0.5)
        rows = elf.records("switches")
    assert len(rows) > 0
    assert int(rows["ts_ns"].min()) > armed - SECOND // 100


def test_the_elf_never_imports_bcc_and_is_the_first_to_go_when_memory_runs_out() -> None:
    with Elf(plan_of("exec")) as elf:
        elf.until(wire.HELLO)
        with open(f"/proc/{elf.process.pid}/maps") as stream:
            assert "libbcc" not in stream.read()
        with open(f"/proc/{elf.process.pid}/oom_score_adj") as stream:
            assert stream.read().strip() == "1000"


def test_a_classic_tracepoint_can_be_used_where_tracefs_is_not_mounted() -> None:
    plan = plan_of("switches")
    source = plan["probes"][0]["source"]
    start = source.index("RAW_TRACEPOINT_PROBE(sched_switch)")
    body = """
TRACEPOINT_PROBE(sched, sched_switch)
{
	struct switches_record *r = is_armed() ? switches_reserve() : 0;
	if (!r)
		return 0;
	r->next_tid = args->next_pid;
	switches_submit(r);
	return 0;
}
"""
    plan["probes"][0].update(source=source[:start] + body, attach=["tracepoint:sched:sched_switch"])
    with Elf(plan) as elf:
        hello = elf.until(wire.HELLO).json()
        assert hello["probes"]["switches"]["state"] == "on", hello["probes"]["switches"]["why"]
        elf.read(0.5)
        assert len(set(elf.records("switches")["next_tid"])) > 1


@pytest.mark.parametrize("plan", [b"", b"[]", b"{}", b'{"version": 2}', b"\xff"])
def test_a_plan_that_makes_no_sense_is_an_error_and_not_a_hang(plan: bytes) -> None:
    from real_elf import message

    from santabpf.launch import COMMAND, code_zip

    done = subprocess.run(COMMAND, input=message(code_zip()) + message(plan), capture_output=True, timeout=20)
    assert done.returncode == 1
    assert b"Error" in done.stderr
    assert done.stdout == b""
