"""Format files to C structs and offsets: on samples, and on every tracepoint of this kernel."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from made_up_probe import planted, rows
from real_elf import Elf

from santabpf import wire
from santabpf.elf.formats import Formats, parse, struct

SAMPLE = """\
name: sample
ID: 1
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:int __syscall_nr;	offset:8;	size:4;	signed:1;
	field:pid_t pid;	offset:16;	size:8;	signed:0;
	field:const char * name;	offset:24;	size:8;	signed:0;
	field:enum skb_drop_reason reason;	offset:32;	size:4;	signed:0;
	field:__u8 saddr[4];	offset:36;	size:4;	signed:0;
	field:__data_loc char[] file;	offset:40;	size:4;	signed:0;
	field:char comm[16];	offset:44;	size:16;	signed:0;
	field:unsigned long args[6];	offset:64;	size:48;	signed:0;
	field:u16 port;	offset:113;	size:2;	signed:0;

print fmt: "%d", REC->pid
"""


@pytest.fixture
def sample(tmp_path: Path) -> Formats:
    (tmp_path / "things" / "sample").mkdir(parents=True)
    (tmp_path / "things" / "sample" / "format").write_text(SAMPLE)
    return Formats(str(tmp_path))


def test_the_struct_has_each_field_where_the_format_says_and_needs_no_type_of_the_kernel() -> None:
    assert struct("things", "sample", parse(SAMPLE)) == """\
struct santa_things__sample {
	u64 common;
	s32 __syscall_nr;
	char santa_pad12[4];
	s64 pid;
	void *name;
	u32 reason;
	u8 saddr[4];
	u32 data_loc_file;
	char comm[16];
	char santa_pad60[4];
	u64 args[6];
	char santa_pad112[1];
	u8 port[2];
};
"""


@pytest.mark.parametrize(
    ("expression", "offset"),
    [("things:sample.reason", 32), ("things:sample.gone", None), ("things:gone.reason", None), ("things:sample", None)],
)
def test_a_field_has_an_offset_or_none(sample: Formats, expression: str, offset: int | None) -> None:
    assert sample.resolve(expression) == offset


def test_a_tracepoint_that_is_not_there_is_declared_nowhere(sample: Formats) -> None:
    assert "santa_things__sample {" in sample.declarations(["things:sample", "things:gone"])
    assert "gone" not in sample.declarations(["things:sample", "things:gone"])
    assert sample.declarations(["things:gone"]) == ""
    assert sample.readable
    assert not Formats("/nowhere").readable


@pytest.mark.bpf
def test_every_tracepoint_of_this_kernel_compiles_and_clang_finds_each_field_where_its_format_says() -> None:
    script = Path(__file__).with_name("all_events.py")
    done = subprocess.run(["/usr/bin/python3", "-B", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["events"] > 500
    assert found["fields"] > 2 * found["events"]


@pytest.mark.bpf
def test_a_program_reads_a_tracepoints_fields_and_does_without_those_that_are_lacking(tmp_path: Path) -> None:
    program = """
TRACEPOINT_PROBE(syscalls, sys_enter_rt_tgsigqueueinfo)
{
#if F_LACKING != OFF_ABSENT
	return put(0, args->lacking);
#else
	return put(args->sig, (u64)args->tgid << 32 | (u32)args->pid);
#endif
}
TRACEPOINT_PROBE(sched, sched_process_exec)
{
	char name[16] = {};
	TP_DATA_LOC_READ_CONST(name, filename, 15);
	return put(F_PID, name[5]);
}
"""
    btf = {
        "F_LACKING": "field syscalls:sys_enter_rt_tgsigqueueinfo.lacking",
        "F_PID": "field sched:sched_process_exec.no_such|field sched:sched_process_exec.pid",
    }
    attach = ["tracepoint:syscalls:sys_enter_rt_tgsigqueueinfo", "tracepoint:sched:sched_process_exec"]
    with Elf(planted(tmp_path, attach, program, btf)) as elf:
        probe = elf.until(wire.HELLO).json()["probes"]["planted"]
        assert (probe["state"], probe["missing"]) == ("partial", ["F_LACKING"])
        assert probe["why"] == "this kernel has no field syscalls:sys_enter_rt_tgsigqueueinfo.lacking"
        code = "import ctypes; ctypes.CDLL(None).syscall(297, 1 << 30, 23, 7, None)"  # no such process: it fails
        child = subprocess.Popen(["/usr/bin/python3", "-c", code])
        assert child.wait() == 0
        elf.read(0.5)
        found = rows(elf)
        mine = found[found["tgid"] == child.pid]
        assert [(r["kind"], r["value"]) for r in mine] == [(12, ord("b")), (7, (1 << 30) << 32 | 23)]
