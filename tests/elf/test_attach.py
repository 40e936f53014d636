"""What a probe is attached to: perf events, functions of libraries, and what a node may lack."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up_probe import planted, rows
from on_the_node import Traces
from real_elf import Elf

from santabpf import wire
from santabpf.elf import compile, fit, points
from santabpf.errors import BadScenario

EXEC = "raw_tracepoint:sched_process_exec"
TELLS = "RAW_TRACEPOINT_PROBE(sched_process_exec) { return put(HAS_NO_SUCH_EVENT, 0); }\n"


def state(elf: Elf) -> dict[str, Any]:
    found: dict[str, Any] = elf.until(wire.HELLO).json()["probes"]["planted"]
    return found


@pytest.mark.bpf
def test_what_is_optional_and_lacking_is_said_and_the_rest_runs(tmp_path: Path) -> None:
    lacking = ["raw_tracepoint:no_such_event?", "tracepoint:sched:no_such_thing?", "uprobe:no_such_library:f?"]
    program = TELLS + "#if HAS_NO_SUCH_THING\nTRACEPOINT_PROBE(sched, no_such_thing) { return 0; }\n#endif\n"
    program += "int uprobe__f(struct pt_regs *ctx) { return 0; }\n"
    with Elf(planted(tmp_path, [EXEC, *lacking], program)) as elf:
        found = state(elf)
        assert (found["state"], found["missing"]) == ("partial", [text.rstrip("?") for text in lacking])
        assert "no tracepoint no_such_event, sched:no_such_thing;" in found["why"]
        assert "no libno_such_library with f()" in found["why"]
        child = subprocess.Popen(["/bin/true"])
        child.wait()
        elf.read(0.5)
        assert [(row["kind"]) for row in rows(elf) if row["tgid"] == child.pid] == [0]


@pytest.mark.bpf
def test_a_probe_of_which_the_node_has_nothing_fails(tmp_path: Path) -> None:
    with Elf(planted(tmp_path, ["raw_tracepoint:no_such_event?"], "")) as elf:
        found = state(elf)
        assert (found["state"], found["why"]) == ("failed", "this kernel has no tracepoint no_such_event")


@pytest.mark.bpf
def test_the_cpu_clock_ticks_as_often_as_the_parameter_says(tmp_path: Path) -> None:
    program = "int perf_event__cpu_clock(struct bpf_perf_event_data *ctx) { return put(1, ctx->regs.ip); }\n"
    with Elf(planted(tmp_path, ["perf_event:cpu_clock@hz"], program)) as elf:
        assert state(elf)["state"] == "on"
        spins = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            elf.read(0.5)
            before = spins_ns(spins.pid)
            at = int(rows(elf)["ts_ns"].max())
            elf.read(2)
            spent = spins_ns(spins.pid) - before
        finally:
            spins.kill()
            spins.wait()
        found = rows(elf)
        ticks = int(((found["tgid"] == spins.pid) & (found["ts_ns"] > at)).sum())
        assert 0.7 < ticks / (spent / 1e9 * 99) < 1.3
        assert all(found["value"][found["tgid"] == spins.pid] > 0)


def spins_ns(pid: int) -> int:
    """How long it ran; ns."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


@pytest.mark.bpf
def test_each_major_fault_is_an_event(tmp_path: Path) -> None:
    program = "int perf_event__page_faults_maj(struct bpf_perf_event_data *ctx) { return put(2, ctx->addr); }\n"
    path = Path("/var/tmp") / f"faults-{os.getpid()}"
    with Elf(planted(tmp_path, ["perf_event:page_faults_maj"], program)) as elf:
        assert state(elf)["state"] == "on"
        try:
            path.write_bytes(bytes(23 * 4096))
            with open(path, "rb+") as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as pages:
                    pages.madvise(mmap.MADV_RANDOM)
                    assert sum(pages[at] for at in range(0, 23 * 4096, 4096)) == 0
        finally:
            path.unlink()
        elf.read(0.5)
        assert int((rows(elf)["tgid"] == os.getpid()).sum()) == 23


@pytest.mark.bpf
def test_a_function_of_a_library_is_seen_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    attach = ["uprobe:c:getaddrinfo", "uretprobe:c:getaddrinfo?", "uprobe:c:no_such_function?"]
    program = """
int uprobe__getaddrinfo(struct pt_regs *ctx) { return put(HAS_GETADDRINFO + HAS_NO_SUCH_FUNCTION, 0); }
int uretprobe__getaddrinfo(struct pt_regs *ctx) { return put(9, PT_REGS_RC(ctx)); }
"""
    with Elf(planted(tmp_path, attach, program)) as elf:
        assert state(elf)["missing"] == ["uprobe:c:no_such_function"], state(elf)["why"]
        for _ in range(23):
            socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        elf.read(0.5)
        mine = rows(elf)[rows(elf)["tgid"] == os.getpid()]
        assert sorted(mine["kind"].tolist()) == [1] * 23 + [9] * 23
        assert set(mine["value"].tolist()) == {0}


@pytest.mark.bpf
def test_events_and_uprobes_end_with_the_elf_however_it_ends(tmp_path: Path) -> None:
    program = """
int perf_event__cpu_clock(struct bpf_perf_event_data *ctx) { return put(1, 0); }
int perf_event__page_faults_maj(struct bpf_perf_event_data *ctx) { return put(2, 0); }
int uprobe__getaddrinfo(struct pt_regs *ctx) { return put(3, 0); }
"""
    attach = ["perf_event:cpu_clock@hz", "perf_event:page_faults_maj", "uprobe:c:getaddrinfo"]
    traces = Traces()
    with Elf(planted(tmp_path, attach, program)) as elf:
        assert state(elf)["state"] == "on"
        programs = traces.programs_of({elf.process.pid})
        assert len(programs) == 3
        elf.process.kill()
        elf.process.wait()
        assert traces.wait_gone({elf.process.pid}, programs, 5) == (set(), set())


@pytest.mark.bpf
def test_an_elf_with_many_tracepoints_leaves_at_once_and_they_soon_after(tmp_path: Path) -> None:
    calls = ["read", "write", "open", "openat", "close", "dup2", "connect", "accept", "fsync", "chmod", "mount", "bpf"]
    names = [f"sys_{when}_{call}" for call in calls for when in ("enter", "exit")]
    program = "".join(f"TRACEPOINT_PROBE(syscalls, {name}) {{ return 0; }}\n" for name in names)
    traces = Traces()
    with Elf(planted(tmp_path, [f"tracepoint:syscalls:{name}" for name in names], program)) as elf:
        assert state(elf)["state"] == "on"
        programs = traces.programs_of({elf.process.pid})
        assert len(programs) == len(names)
        elf.finish()
        assert elf.process.returncode == 0
    assert traces.wait_gone(set(), programs, 30) == (set(), set())


def test_more_descriptors_than_a_message_takes_go_in_several() -> None:
    import json

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        labels = [["link", str(i)] for i in range(600)]
        compile._hand_over(theirs, {"event": "probe", "name": "x"}, labels, [null] * 600)
        got: list[Any] = []
        for event in ("more", "more", "probe"):
            data, fds, _, _ = socket.recv_fds(ours, 1 << 18, 253)
            message = json.loads(data)
            assert (message["event"], message["name"], len(fds)) == (event, "x", len(message["labels"]))
            got += message["labels"]
            for fd in fds:
                os.close(fd)
        assert got == labels
    finally:
        os.close(null)
        ours.close()
        theirs.close()


def test_a_library_is_found_by_its_stem_and_only_one_that_programs_here_can_load() -> None:
    path = points.find_library("c")
    assert path is not None
    assert Path(path).read_bytes()[:5] == b"\x7fELF\x02"
    assert points.find_library("no_such_library") is None
    assert fit.find_function("c", "getaddrinfo") == path
    assert fit.find_function("c", "no_such_function") is None


@pytest.mark.parametrize(
    "entry",
    ["kprobe:do_exit", "raw_tracepoint:", "tracepoint:sched", "perf_event:cpu_clock", "uprobe:c", "perf_event:cycles"],
)
def test_an_entry_that_is_none_is_an_error_that_says_what_there_is(tmp_path: Path, entry: str) -> None:
    with pytest.raises(BadScenario, match=r"probe.yaml:3: attach: .* is none of raw_tracepoint:NAME"):
        planted(tmp_path, [entry], "")


def test_a_frequency_must_be_a_parameter(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="there is no parameter 'often'"):
        planted(tmp_path, ["perf_event:cpu_clock@often"], "")
