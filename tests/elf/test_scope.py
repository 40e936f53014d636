"""A recording limited to a process tree, or to a cgroup: in the kernel, and in /proc."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23
PROBES = ("exec", "exit", "fork", "runq:min_wait_ns=0", "switches", "processes", "process_cpu", "metrics")
#: Waits for a line, then starts and ends that many programs, one after another, below another shell.
SCRIPT = f"read line; sh -c 'for i in $(seq {PLANTED}); do /bin/echo planted; done; true'; read line"


@pytest.fixture
def shell() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sh", "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    yield child
    child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup of our own below this process's, of the kind that names processes here."""
    from santabpf.elf.scope import _cgroup_folder, cgroup_controller

    controller = cgroup_controller()
    own = next(
        line.split(":", 2)[2]
        for line in Path("/proc/self/cgroup").read_text().splitlines()
        if (controller in line.split(":")[1].split(",") if controller else line.startswith("0::"))
    )
    folder = Path(_cgroup_folder(own, controller), f"santabpf-test-{os.getpid()}")
    folder.mkdir()
    yield folder
    for _ in range(50):
        if not (folder / "cgroup.procs").read_text():
            break
        time.sleep(0.1)
    folder.rmdir()


def let_it_run(elf: Elf, shell: subprocess.Popen[bytes]) -> None:
    """Starts the planted programs, and one outside of the scope."""
    elf.until(wire.HELLO)
    elf.read(0.1)
    assert shell.stdin is not None
    shell.stdin.write(b"go\n")
    shell.stdin.flush()
    subprocess.run(["/bin/echo", "outside"], stdout=subprocess.DEVNULL, check=True)
    elf.read(2.2)


def assert_only_the_scope(elf: Elf, shell: int) -> None:
    execs, ends, births = elf.records("exec"), elf.records("exit"), elf.records("fork")
    assert [r["argv"] for r in execs].count(b"/bin/echo\0planted") == PLANTED
    assert {r["argv"] for r in execs} <= {b"/bin/echo\0planted"} | {
        r["argv"] for r in execs if r["argv"].startswith((b"sh\0", b"seq\0"))
    }
    inside = {shell} | {int(r["tgid"]) for r in births}
    assert {int(r["ptgid"]) for r in births} <= inside
    assert {int(r["tgid"]) for r in ends} <= inside
    assert len(ends) >= PLANTED
    assert {int(r["tgid"]) for r in elf.records("runq")} <= inside
    assert len(elf.records("runq")) > PLANTED
    switches = elf.records("switches")
    assert len(switches) > PLANTED
    assert all(int(r["prev_tid"]) in inside or int(r["next_tid"]) in inside for r in switches)
    for table in ("processes", "process_cpu"):
        files = {name for payload in elf.payloads(wire.PROC, table) for name in wire.unpack_files(payload)}
        assert f"{shell}/stat" in files
        assert {int(name.split("/")[0]) for name in files} <= inside
    assert b"cpu " in wire.unpack_files(elf.payloads(wire.PROC, "metrics")[0])["/proc/stat"]


def test_a_tree_is_the_process_and_all_below_it(shell: subprocess.Popen[bytes]) -> None:
    with Elf(plan_of(*PROBES, scope={"tree": shell.pid})) as elf:
        let_it_run(elf, shell)
        assert_only_the_scope(elf, shell.pid)


def test_a_tree_holds_those_who_were_there_before_the_recording() -> None:
    nested = ["sh", "-c", 'sh -c "$0"; true', SCRIPT]
    outer = subprocess.Popen(nested, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        with Elf(plan_of("exec", scope={"tree": outer.pid})) as elf:
            let_it_run(elf, outer)
            assert [r["argv"] for r in elf.records("exec")].count(b"/bin/echo\0planted") == PLANTED
            assert b"/bin/echo\0outside" not in {r["argv"] for r in elf.records("exec")}
    finally:
        outer.communicate(b"end\n")


def test_a_cgroup_is_all_that_runs_in_it(shell: subprocess.Popen[bytes], cgroup: Path) -> None:
    (cgroup / "cgroup.procs").write_text(str(shell.pid))
    try:
        with Elf(plan_of(*PROBES, scope={"cgroup": str(cgroup)})) as elf:
            let_it_run(elf, shell)
            assert_only_the_scope(elf, shell.pid)
            rows = elf.records("exec")
            assert {int(r["cgroup_id"]) for r in rows} == {cgroup.stat().st_ino}
    finally:
        shell.kill()


def test_a_cgroup_holds_the_cgroups_below_it(shell: subprocess.Popen[bytes], cgroup: Path) -> None:
    below = cgroup / "below"
    below.mkdir()
    try:
        (below / "cgroup.procs").write_text(str(shell.pid))
        with Elf(plan_of("exec", scope={"cgroup": str(cgroup)})) as elf:
            let_it_run(elf, shell)
            assert [r["argv"] for r in elf.records("exec")].count(b"/bin/echo\0planted") == PLANTED
            assert b"/bin/echo\0outside" not in {r["argv"] for r in elf.records("exec")}
    finally:
        shell.kill()
        shell.wait()
        for _ in range(50):
            if not (below / "cgroup.procs").read_text():
                break
            time.sleep(0.1)
        below.rmdir()


@pytest.mark.parametrize("scope", [{"tree": 2**22 + 1}, {"cgroup": "/no/such/group"}])
def test_a_scope_that_is_not_there_is_refused(scope: dict[str, object]) -> None:
    with Elf(plan_of("exec", scope=scope)) as elf:
        trouble = elf.until(wire.TROUBLE).json()
        assert (trouble["code"], trouble["fatal"]) == ("no_such_scope", True)
        assert elf.until(wire.BYE).json() == {"reason": "fatal"}
        assert elf.frames[0].kind == wire.HELLO
