"""Processes that the tests start themselves, found again in exec, exit and fork: all of them, and as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23


@pytest.fixture(scope="module")
def elf() -> Iterator[Elf]:
    with Elf(plan_of("exec", "exit", "fork")) as running:
        running.until(wire.HELLO)
        running.read(0.2)
        yield running


def run(*argv: str | bytes, program: str | None = None) -> int:
    """Run a program to its end; its process id."""
    child = subprocess.Popen(argv, executable=program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    child.wait()
    return child.pid


def test_23_planted_programs_are_23_rows_each_with_its_whole_command_line(elf: Elf) -> None:
    pids = [run("/bin/echo", "planted", str(i), "") for i in range(PLANTED)]
    elf.read(0.6)
    found = [r for r in elf.records("exec") if int(r["tgid"]) in pids]
    assert len(found) == PLANTED
    rows = {int(r["tgid"]): r for r in found}
    for i, pid in enumerate(pids):
        assert rows[pid]["argv"] == b"/bin/echo\0planted\0" + str(i).encode()
        assert rows[pid]["argv_bytes"] == len(f"/bin/echo\0planted\0{i}\0\0")
        assert rows[pid]["ptgid"] == os.getpid()
        assert rows[pid]["comm"] == b"echo"
        assert rows[pid]["filename"] == b"/bin/echo"
        assert rows[pid]["uid"] == os.getuid()


def test_23_ends_tell_how_each_ended(elf: Elf) -> None:
    planted = {}
    for i in range(PLANTED):
        child = os.fork()
        if child == 0:
            if i % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(i)
        os.waitpid(child, 0)
        planted[child] = i
    elf.read(0.6)
    ends = [r for r in elf.records("exit") if int(r["tgid"]) in planted]
    assert len(ends) == PLANTED
    for row in ends:
        i = planted[int(row["tgid"])]
        assert (row["code"], row["signal"]) == ((0, signal.SIGKILL) if i % 2 else (i, 0))
        assert row["ptgid"] == os.getpid()
    births = {int(r["tgid"]): r for r in elf.records("fork") if int(r["tgid"]) in planted}
    assert len(births) == PLANTED
    assert {int(r["ptgid"]) for r in births.values()} == {os.getpid()}
    assert all(births[int(r["tgid"])]["start_ns"] == r["start_ns"] for r in ends)


def test_identity_agrees_with_proc_to_the_clock_tick(elf: Elf) -> None:
    with open("/proc/self/stat") as stream:
        ticks = int(stream.read().rpartition(")")[2].split()[19])
    pid = run("/bin/true")
    elf.read(0.6)
    row = next(r for r in elf.records("exec") if r["tgid"] == pid)
    assert int(row["pstart_ns"]) * os.sysconf("SC_CLK_TCK") // 1_000_000_000 == ticks


def test_a_process_of_many_threads_ends_once_and_its_cpu_time_is_that_of_all_threads(elf: Elf) -> None:
    code = """
import threading, time
def burn():
    end = time.thread_time() + 0.06
    while time.thread_time() < end: pass
threads = [threading.Thread(target=burn) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
"""
    pid = os.posix_spawn("/usr/bin/python3", ["python3", "-c", code], {})
    _, _, used = os.wait4(pid, 0)
    elf.read(0.6)
    (row,) = [r for r in elf.records("exit") if r["tgid"] == pid]
    truth = (used.ru_utime + used.ru_stime) * 1e9
    assert 0.24e9 < row["cpu_ns"] <= truth * 1.02
    assert row["cpu_ns"] > truth * 0.9
    assert len([r for r in elf.records("fork") if r["tgid"] == pid]) == 1


def test_short_jobs_keep_their_cpu_time_though_no_tick_has_counted_it(elf: Elf) -> None:
    burn = "use Time::HiRes 'time'; my $e = time + 0.002; 1 while time < $e"
    truth = {}
    for _ in range(PLANTED):
        pid = os.posix_spawn("/usr/bin/perl", ["perl", "-e", burn], {})
        _, _, used = os.wait4(pid, 0)
        truth[pid] = (used.ru_utime + used.ru_stime) * 1e9
    elf.read(0.6)
    seen = {int(r["tgid"]): int(r["cpu_ns"]) for r in elf.records("exit") if int(r["tgid"]) in truth}
    assert seen.keys() == truth.keys()
    assert 0.8 < sum(seen.values()) / sum(truth.values()) <= 1.02  # what tearing it down costs is not in it


def test_long_command_lines_are_cut_at_511_bytes_and_say_so(elf: Elf) -> None:
    pid = run("/bin/echo", "x" * 1000)
    elf.read(0.6)
    row = next(r for r in elf.records("exec") if r["tgid"] == pid)
    assert row["argv"] == b"/bin/echo\0" + b"x" * 501
    assert (row["argv_truncated"], row["argv_bytes"]) == (1, len("/bin/echo") + 1000 + 2)


def test_hostile_names_come_through_as_the_bytes_they_are(elf: Elf) -> None:
    hostile = [b"<script>alert(1)", b"\x1b[31mred\x1b[0m", b"a\nb\"c'd", b"\xff\xfe\x80", b"sixteen bytes xx"]
    pids = []
    for name in hostile:
        child = os.fork()
        if child == 0:
            with open("/proc/self/comm", "wb", buffering=0) as stream:
                stream.write(name)
            os._exit(0)
        os.waitpid(child, 0)
        pids.append(child)
    arguments = run(b"\xff\xfe<a href>", b"'\"\n\x1b", program="/bin/true")
    elf.read(0.6)
    seen = {int(r["tgid"]): r["comm"] for r in elf.records("exit")}
    assert [seen[pid] for pid in pids] == [name[:15] for name in hostile]
    row = next(r for r in elf.records("exec") if r["tgid"] == arguments)
    assert row["argv"] == b"\xff\xfe<a href>\0'\"\n\x1b"


def test_no_kernel_bytes_stand_behind_the_end_of_a_string(elf: Elf) -> None:
    pid = run("/bin/echo", "short")
    elf.read(0.6)
    for table in ("exec", "exit"):
        rows = elf.records(table)
        row = rows[[int(t) for t in rows["tgid"]].index(pid)]
        for name in ("comm", "pcomm", "cgroup", "filename"):
            if name in (rows.dtype.names or ()):
                offset, width = rows.dtype.fields[name][1], rows.dtype[name].itemsize
                text, _, rest = row.tobytes()[offset : offset + width].partition(b"\0")
                assert text, name
                assert rest.strip(b"\0") == b"", name


def test_secrets_are_starred_before_they_leave_the_node(elf: Elf) -> None:
    pid = run("/bin/echo", "--password", "hunter2", "--user=me")
    elf.read(0.6)
    row = next(r for r in elf.records("exec") if r["tgid"] == pid)
    assert row["argv"] == b"/bin/echo\0--password\0*******\0--user=me"


def test_what_happened_before_a_watermark_has_come_with_it(elf: Elf) -> None:
    before = time.monotonic_ns()
    pid = run("/bin/true")
    after = time.monotonic_ns()
    elf.read(1.5)
    exec_id = elf.table_id("exec")
    marks = [f.t_before for f in elf.frames if f.kind == wire.RING and f.table == exec_id]
    assert marks == sorted(marks)
    assert marks[-1] > after
    row = next(r for r in elf.records("exec") if r["tgid"] == pid)
    assert before < row["ts_ns"] < after
