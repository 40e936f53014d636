"""Real cells: what they hold back, what they stop, and what is left of them afterwards (nothing)."""

from __future__ import annotations

import errno
import os
import platform
import signal
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from santabpf.errors import BadUsage, CannotContain
from santabpf.gym import contain as room
from santabpf.gym import link
from santabpf.gym.contain import Limits, contain
from santabpf.gym.groups import Plan, Tree, plan_groups, read
from santabpf.units import MIB

pytestmark = pytest.mark.usefixtures("cells")
Scripts = Callable[[str], Path]
Gone = Callable[[int], None]


def run(script: Path, limits: Limits | None = None, *args: str) -> room.Ended:
    with contain("fault", limits) as cell:
        started = cell.start(script, args)
        started.go()
        return started.wait(30)


def test_a_script_runs_with_its_arguments_and_tells_how_it_ended(script: Scripts) -> None:
    ended = run(script('echo "$0 $1"; exit 23'), None, "storm")
    assert (ended.code, ended.output) == (23, "/tmp/drill/fault.sh storm\n")


def test_files_beside_the_script_come_along(script: Scripts) -> None:
    path = script("cat data/words.txt; ls -l helper")
    (path.parent / "data").mkdir()
    (path.parent / "data" / "words.txt").write_text("planted 7\n")
    (path.parent / "helper").write_text("#!/bin/sh\n")
    ended = run(path)
    assert ended.output.startswith("planted 7\n-rwxr-xr-x")


def test_a_script_waits_for_the_word(script: Scripts) -> None:
    with contain("fault") as cell:
        started = cell.start(script("echo before; read -r word; echo after"))
        with pytest.raises(TimeoutError):
            started.wait(0.3)
        assert started.poll() is None
        started.go()
        assert started.wait(10).output == "before\nafter\n"


def test_only_the_cells_own_tmpfs_can_be_written(script: Scripts, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("safe")
    refused = " ".join(f"echo spoilt > {path};" for path in (outside, "/etc/santabpf", "/sys/fs/cgroup/x"))
    ended = run(script(f"{refused} echo x > /var/tmp/x && echo y > /dev/shm/y && ls /tmp"))
    assert outside.read_text() == "safe"
    assert not Path("/etc/santabpf").exists()
    assert ended.output.endswith("drill\n")
    assert not Path("/var/tmp/x").exists()
    assert not Path("/dev/shm/y").exists()


def test_the_cell_sees_neither_the_network_nor_the_processes_nor_the_name_of_the_machine(script: Scripts) -> None:
    ended = run(script("uname -n; cat /proc/net/dev | tail -n +3 | cut -d: -f1; ls -d /proc/[0-9]* | wc -l; nproc"))
    name, network, processes, cpus = ended.output.split()
    assert (name, network, cpus) == ("drill", "lo", "1")
    assert int(processes) <= 6


def test_a_cell_may_have_more_than_one_cpu(script: Scripts) -> None:
    assert run(script("nproc"), Limits(cpus=2)).output == f"{min(2, len(os.sched_getaffinity(0)))}\n"


def test_a_cell_may_be_kept_to_a_part_of_a_cpu(script: Scripts) -> None:
    ended = run(script("timeout 2 sh -c 'while :; do :; done'; times > used; tail -n 1 used"), Limits(cpu_percent=20))
    used = [part.rstrip("s").split("m") for part in ended.output.split()]
    assert 0.1 < sum(60 * int(minutes) + float(seconds) for minutes, seconds in used) < 0.8


WIDENS = """
    taskset -p ffffffff $$ > /dev/null; nproc
    for loop in 1 2; do timeout 2 sh -c 'while :; do :; done' & done
    wait; times > used; tail -n 1 used
"""


def test_where_no_cpuset_can_be_had_a_quota_holds_what_widens_its_mask(
    script: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(trees: list[Tree], **options: Any) -> Plan:
        lacking = [replace(tree, controllers=tree.controllers - {"cpuset"}) for tree in trees]
        return plan_groups(lacking, read=lambda path: read(path).replace("cpuset", ""), **options)

    monkeypatch.setattr(room, "plan_groups", plan)
    ended = run(script(WIDENS))
    cpus, *used = ended.output.split()
    assert int(cpus) == len(os.sched_getaffinity(0)), "its mask does not hold it"
    parts = [part.rstrip("s").split("m") for part in used]
    assert 0.1 < sum(60 * int(minutes) + float(seconds) for minutes, seconds in parts) < 2.6


def test_no_path_of_the_machine_stands_in_a_command_line_of_the_cell(script: Scripts) -> None:
    ended = run(script("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
    assert ended.output.startswith("santabpf-drill /bin/sh /tmp/drill/fault.sh ")
    assert str(Path.cwd()) not in ended.output


def test_the_cgroup_is_called_after_the_drill_and_holds_its_processes(script: Scripts) -> None:
    with contain("some_fault") as cell:
        cell.start(script("read -r word"))
        folder = Path(cell.cgroup)
        assert folder.parts[-2:] == (f"santabpf-drill-{cell.guardian_pid}", "some_fault")
        assert len((folder / "cgroup.procs").read_text().split()) == 2
        assert os.getpid() not in map(int, (folder / "cgroup.procs").read_text().split())


def test_a_fork_bomb_ends_at_the_limit_of_processes(script: Scripts) -> None:
    bomb = "i=0; while [ $i -lt 400 ]; do sleep 30 & i=$((i+1)); done; echo unbounded"
    with contain("fault", Limits(processes=40)) as cell:
        started = cell.start(script(bomb))
        started.go()
        ended = started.wait(30)
        assert len((Path(cell.cgroup) / "cgroup.procs").read_text().split()) <= 40
    assert "unbounded" not in ended.output
    assert "fork" in ended.output


def test_a_memory_hog_is_killed_and_the_cell_lives_on(script: Scripts) -> None:
    with contain("fault", Limits(memory_bytes=64 * MIB)) as cell:
        hog = cell.start(script("exec head -c 300000000 /dev/zero | tail -c 300000000 > /dev/null"))
        hog.go()
        assert hog.wait(30).code != 0
        after = cell.start(script("echo alive"))
        after.go()
        assert after.wait(10).code == 0
    assert cell.clean


def test_the_disk_is_full_at_the_limit_also_in_memory_disguise(script: Scripts) -> None:
    ended = run(
        script("cat /dev/zero > a; stat -c %s a; cat /dev/zero > /dev/shm/b; cat /dev/zero > /var/tmp/c; du -sm /tmp"),
        Limits(disk_bytes=3 * MIB),
    )
    assert int(ended.output.split()[-2]) <= 3
    assert "No space left" in ended.output or "File too large" in ended.output


def test_the_time_limit_ends_everything(script: Scripts, gone: Gone) -> None:
    with contain("fault", Limits(seconds=1)) as cell:
        started = cell.start(script("setsid sleep 300 & sleep 300"))
        started.go()
        assert cell.wait(20) == "time"
        ended = started.wait(5)
        assert (ended.code, ended.why) == (None, "its time was over")
        gone(cell.guardian_pid)
        with pytest.raises(CannotContain, match="has ended: its time was over"):
            cell.start(script("true"))


def test_closing_kills_what_has_fled_into_a_session_of_its_own(script: Scripts, gone: Gone) -> None:
    with contain("fault") as cell:
        started = cell.start(script("setsid sh -c 'trap \"\" TERM HUP INT; sleep 300' & echo off"))
        started.go()
        started.wait(10)
        assert "sleep" in subprocess.run(["ps", "axo", "args"], capture_output=True, text=True, check=True).stdout
    assert cell.clean
    gone(cell.guardian_pid)


RUNNER = """
    import sys, time
    from pathlib import Path
    from santabpf.gym.contain import Limits, contain
    with contain("fault", Limits(seconds=60)) as cell:
        started = cell.start(Path(sys.argv[1]))
        started.go()
        time.sleep(0.2)
        print(cell.guardian_pid, flush=True)
        time.sleep(60)
"""


@pytest.fixture
def runner(script: Scripts) -> subprocess.Popen[str]:
    path = script("echo x > /tmp/full; setsid sleep 300 & while :; do sleep 1; done")
    code = textwrap.dedent(RUNNER)
    return subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_runner_is_killed(runner: subprocess.Popen[str], gone: Gone, number: int) -> None:
    with runner:
        assert runner.stdout is not None
        key = int(runner.stdout.readline())
        runner.send_signal(number)
        runner.stdout.read()
        gone(key)
    assert runner.returncode != 0


LAYS_OVER = """
    mkdir power && mount -t tmpfs -o size=1m santabpf-drill power && cp /usr/bin/id power/id && chmod 4755 power/id
    echo planted:x:64123:64123:::/bin/sh > accounts && mount --bind accounts /etc/passwd
"""


def test_what_a_script_mounts_holds_in_the_cell_only(script: Scripts) -> None:
    before = Path("/etc/passwd").read_bytes()
    ended = run(script(LAYS_OVER + "cat /etc/passwd; setpriv --reuid 64123 --clear-groups power/id -u"))
    assert ended.output == "planted:x:64123:64123:::/bin/sh\n0\n"
    assert Path("/etc/passwd").read_bytes() == before


def test_what_a_script_mounts_is_gone_when_the_runner_is_killed(script: Scripts, gone: Gone) -> None:
    before = Path("/etc/passwd").read_bytes()
    path = script(LAYS_OVER + "while :; do sleep 1; done")
    code = textwrap.dedent(RUNNER)
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        key = int(runner.stdout.readline())
        runner.kill()
        gone(key)
    assert Path("/etc/passwd").read_bytes() == before


def test_nothing_is_left_when_the_guardian_is_killed_but_the_runner_lives(script: Scripts, gone: Gone) -> None:
    with contain("fault") as cell:
        started = cell.start(script("setsid sleep 300 & sleep 300"))
        started.go()
        os.kill(cell.guardian_pid, signal.SIGKILL)
        assert started.wait(10).why == "its guardian was killed"
    assert cell.clean
    gone(cell.guardian_pid)


def test_groups_left_by_a_killed_runner_and_guardian_go_with_the_next_drill(
    runner: subprocess.Popen[str], leftovers: Callable[[int], list[str]]
) -> None:
    with runner:
        assert runner.stdout is not None
        key = int(runner.stdout.readline())
        runner.send_signal(signal.SIGSTOP)
        os.kill(key, signal.SIGKILL)
        runner.send_signal(signal.SIGKILL)
    while leftovers(key):  # a group can be removed once the machine's init has reaped the dead
        time.sleep(0.3)
        with contain("other"):
            pass


def test_the_guardian_holds_to_the_time_limit_while_the_runner_stands_still(script: Scripts, gone: Gone) -> None:
    path = script("sleep 300")
    code = textwrap.dedent(RUNNER).replace("seconds=60", "seconds=2")
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        key = int(stopped.stdout.readline())
        stopped.send_signal(signal.SIGSTOP)
        gone(key)
        stopped.kill()


def test_two_cells_at_once_do_not_meet(script: Scripts) -> None:
    with contain("fault") as one, contain("fault") as two:
        assert one.cgroup != two.cgroup
        for cell, word in ((one, "one"), (two, "two")):
            started = cell.start(script(f"cat mine 2>/dev/null; echo {word} > mine; cat mine"))
            started.go()
            assert started.wait(10).output == f"{word}\n"


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with contain("fault") as cell, pytest.raises(BadUsage, match="there is no script"):
        cell.start(tmp_path / "nothing.sh")


def test_a_script_that_cannot_be_run_ends_at_once(script: Scripts) -> None:
    path = script("")
    path.write_text("#!/no/such/shell\n")
    assert run(path).code == 127


def test_a_cell_is_refused_to_who_is_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotContain, match="needs root"), contain("fault"):
        pass


def test_a_cell_is_refused_where_no_group_can_limit_it(monkeypatch: pytest.MonkeyPatch, gone: Gone) -> None:
    monkeypatch.setattr(room, "_own", lambda name: "")
    with pytest.raises(CannotContain, match="no control group below ours can limit memory and pids"), contain("fault"):
        pass


SYSCALLS = {"x86_64": (272, 165, 442, 170), "aarch64": (97, 40, 442, 161)}
UNSHARE, MOUNT, MOUNT_SETATTR, SETHOSTNAME = SYSCALLS[platform.machine()]
FIRST, FOURTH = 16, 40  # where struct seccomp_data has an argument of the call


def without(call: int, argument: int, value: int, error: int) -> str:
    """Python that has the kernel refuse a system call with this argument, to its process and all below: seccomp(2)."""
    load, is_equal, give = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_RET
    steps = (
        (load, 0, 0, 0), (is_equal, 0, 3, call), (load, 0, 0, argument), (is_equal, 0, 1, value),
        (give, 0, 0, 0x50000 | error), (give, 0, 0, 0x7FFF0000),
    )  # fmt: skip
    return f"""
import ctypes, struct
steps = ctypes.create_string_buffer({b"".join(struct.pack("HBBI", *step) for step in steps)!r})
assert not ctypes.CDLL(None).prctl(22, 2, struct.pack("HP", {len(steps)}, ctypes.addressof(steps)))
"""


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ((UNSHARE, FIRST, 0x20000000, errno.EPERM), "unshare of the pid namespace failed: Operation not permitted"),
        ((UNSHARE, FIRST, 0x4C020000, errno.ENOSPC), "unshare failed: No space left on device"),
        ((MOUNT, FOURTH, 0x44000, errno.EPERM), "mount on / failed: Operation not permitted"),
        (
            (MOUNT_SETATTR, 0, MOUNT_SETATTR, errno.ENOSYS),
            r"making the file systems read-only \(mount_setattr, Linux 5\.12\) failed: Function not implemented",
        ),
        ((MOUNT, FOURTH, 6, errno.EPERM), "mount on /tmp failed: Operation not permitted"),
        ((MOUNT, FOURTH, 4096, errno.EACCES), "mount on /var/tmp failed: Permission denied"),
        ((MOUNT, FOURTH, 14, errno.EPERM), "mount on /proc failed: Operation not permitted"),
        ((SETHOSTNAME, 0, SETHOSTNAME, errno.EPERM), "sethostname failed: Operation not permitted"),
    ],
)
def test_a_cell_that_the_kernel_does_not_let_be_shut_is_refused_and_nothing_is_left(
    refused: tuple[int, int, int, int], why: str, monkeypatch: pytest.MonkeyPatch, gone: Gone
) -> None:
    keys: list[int] = []

    def begin() -> link.Child:
        child = link.Child()
        keys.append(child.pid)
        return child

    monkeypatch.setattr(room, "Child", begin)
    monkeypatch.setattr(link, "_GUARDIAN", without(*refused) + link._GUARDIAN)
    name = os.uname().nodename
    with pytest.raises(CannotContain, match=f"^a drill can't be kept within bounds here: {why}"), contain("fault"):
        pass
    (key,) = keys
    gone(key)
    assert os.uname().nodename == name


def test_a_name_that_is_no_name_is_bad_usage() -> None:
    with pytest.raises(BadUsage, match="must match"), contain("../escape"):
        pass
