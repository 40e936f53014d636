"""What stands in the way of recording is said with a code, a sentence, and the command that mends it."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.elf import checks, kernel

FULL = "000001ffffffffff"
WITH_PROGRAMS: dict[str, Any] = {"core": {}}
#: Hides the folder of bcc from all that it starts.
WITHOUT_BCC = """
mount -t tmpfs none "$(/usr/bin/python3 -c 'import bcc, os; print(os.path.dirname(bcc.__file__))')" && exec "$@"
"""
RECORD = """
import santabpf as sb, sys
rec = sb.record(probes=sys.argv[2:], duration=2, out=sys.argv[1], progress=False)
print(rec.state, rec["metrics"].rows, rec.info["notes"])
"""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A node that can be recorded, as a set of files; tests change what they are about."""
    files = {
        "/proc/self/status": f"Name:\tpython3\nCapEff:\t{FULL}\n".encode(),
        "/proc/meminfo": b"MemTotal:       4000000 kB\nMemAvailable:   3000000 kB\n",
        "/sys/kernel/security/lockdown": b"none [integrity] confidentiality\n",
        "/etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
        "/sys/kernel/btf/vmlinux": b"\x9f\xeb",
    }
    monkeypatch.setattr(checks.procfs, "read_file", lambda path, limit=0: files.get(path))
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(checks.os, "geteuid", lambda: 0)
    monkeypatch.setattr(checks.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(checks.kernel, "_bpf", refuses(errno.EPERM))
    return files


def refuses(code: int) -> Callable[[int, bytes], tuple[int, Any]]:
    """A bpf(2) that always fails."""

    def bpf(command: int, attr: bytes) -> tuple[int, Any]:
        raise OSError(code, "bpf")

    return bpf


def codes(plan: dict[str, Any] | None = None) -> list[tuple[str, bool]]:
    return [(t["code"], t["fatal"]) for t in checks.examine(plan or WITH_PROGRAMS)]


def test_nothing_stands_in_the_way_of_a_good_node(node: dict[str, bytes]) -> None:
    assert codes() == []


def test_a_kernel_that_makes_no_ring_buffer_is_refused_whatever_its_number(
    node: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.kernel, "_bpf", refuses(errno.EINVAL))
    assert codes() == [("too_old", True)]
    monkeypatch.setattr(checks.platform, "machine", lambda: "aarch64")
    assert codes() == [("wrong_machine", True)]  # of which the number of bpf(2) is another


@pytest.mark.bpf
def test_this_kernel_makes_ring_buffers_and_knows_no_map_of_a_kind_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kernel.has_ring_buffers()
    monkeypatch.setattr(kernel, "_RINGBUF", 10_000)
    assert not kernel.has_ring_buffers()


def test_another_machine_is_refused(node: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.platform, "machine", lambda: "aarch64")
    assert codes() == [("wrong_machine", True)]


@pytest.mark.parametrize("text", [None, b"", b"no"])
def test_a_kernel_without_types_is_refused(node: dict[str, bytes], text: bytes | None) -> None:
    node["/sys/kernel/btf/vmlinux"] = text  # type: ignore[assignment]
    assert codes() == [("no_btf", True)]


def test_a_locked_kernel_is_refused(node: dict[str, bytes]) -> None:
    node["/sys/kernel/security/lockdown"] = b"none integrity [confidentiality]\n"
    assert codes() == [("locked_down", True)]


def test_too_little_memory_is_refused(node: dict[str, bytes]) -> None:
    node["/proc/meminfo"] = b"MemAvailable:   200000 kB\n"
    (trouble,) = checks.examine({"core": {}, "min_available_bytes": 300 << 20})
    assert (trouble["code"], trouble["fatal"]) == ("too_little_memory", True)
    assert "195 MiB" in trouble["message"]
    assert "300 MiB" in trouble["message"]


@pytest.mark.parametrize(
    ("capabilities", "fatal"),
    [("0000000000000000", True), ("000000c000000000", True), ("000000c000000004", False)],
)
def test_without_root_it_is_refused_or_degraded(
    node: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capabilities: str, fatal: bool
) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    node["/proc/self/status"] = f"CapEff:\t{capabilities}\n".encode()
    assert codes() == [("no_root", fatal)]


@pytest.mark.parametrize(
    ("release", "command"),
    [
        (b"ID=debian\n", "sudo apt-get install --no-install-recommends -y python3-bpfcc"),
        (b"ID=linuxmint\nID_LIKE=ubuntu\n", "sudo apt-get install --no-install-recommends -y python3-bpfcc"),
        (b'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install -y python3-bcc"),
        (b'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install -y python3-bcc"),
        (b"ID=slackware\n", "install BCC's Python module"),
    ],
)
def test_without_bcc_the_command_of_the_distribution_is_named(
    node: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, release: bytes, command: str
) -> None:
    node["/etc/os-release"] = release
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    (trouble,) = checks.examine(WITH_PROGRAMS)
    assert (trouble["code"], trouble["fatal"]) == ("no_bcc", True)
    assert trouble["what_to_do"].startswith(command)


@pytest.mark.bpf
def test_what_only_reads_proc_is_recorded_on_a_node_without_bcc(tmp_path: Path) -> None:
    command = ["unshare", "--mount", "sh", "-c", WITHOUT_BCC, "sh", sys.executable, "-c", RECORD]
    done = subprocess.run([*command, tmp_path / "a", "metrics"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    state, rows, notes = done.stdout.split(maxsplit=2)
    assert (state, notes) == ("complete", "[]\n")
    assert int(rows) >= 1
    done = subprocess.run([*command, tmp_path / "b", "metrics", "exec"], capture_output=True, text=True, timeout=60)
    assert "BCC's Python module is not installed" in done.stderr


def test_where_nothing_is_compiled_no_kernel_is_too_old(
    node: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    node["/sys/kernel/btf/vmlinux"] = b""
    assert codes(plan_of("metrics")) == []
    assert codes(plan_of("metrics", scope={"tree": 1})) == [("no_btf", True), ("no_bcc", True)]


@pytest.mark.bpf
def test_a_fatal_trouble_comes_after_the_hello_and_ends_it() -> None:
    with Elf(plan_of("exec", min_available_bytes=1 << 60)) as elf:
        assert elf.until(wire.BYE).json() == {"reason": "fatal"}
        assert [f.kind for f in elf.frames] == [wire.HELLO, wire.TROUBLE, wire.BYE]
        assert elf.frames[1].json()["code"] == "too_little_memory"
        elf.read(1)
        assert elf.process.wait(5) == 1


@pytest.mark.bpf
@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"attach": ["raw_tracepoint:no_such_event"]}, "no tracepoint no_such_event"),
        ({"btf": {"OFF_X": "task_struct.no_such_member"}, "needs": ["OFF_X"]}, "no task_struct.no_such_member"),
        ({"source": "int x(void) { return nothing; }"}, "nothing"),
        ({"source": "RAW_TRACEPOINT_PROBE(sched_switch) { return *(int *)0; }"}, "invalid mem access|denied"),
    ],
)
def test_one_probe_that_fails_leaves_the_others_alone(broken: dict[str, Any], why: str) -> None:
    plan = plan_of("switches", "exec", "metrics")
    plan["probes"][0].update({"btf": {}, "needs": [], **broken})
    with Elf(plan) as elf:
        hello = elf.until(wire.HELLO).json()
        assert hello["probes"]["switches"]["state"] == "failed"
        assert any(part in hello["probes"]["switches"]["why"] for part in why.split("|"))
        assert hello["probes"]["exec"]["state"] == "on"
        assert {"exec", "metrics"} <= set(hello["tables"])
        assert "switches" not in hello["tables"]
        trouble = elf.until(wire.TROUBLE).json()
        assert (trouble["code"], trouble["probe"], trouble["fatal"]) == ("probe_failed", "switches", False)
        child = subprocess.run(["/bin/echo", "still"], stdout=subprocess.DEVNULL, check=True)
        elf.read(0.5)
        assert child.returncode == 0
        assert b"/bin/echo\0still" in set(elf.records("exec")["argv"])
        elf.finish()
        assert elf.json_of(wire.TICK)[-1]["dead_probes"] == ["switches"]


@pytest.mark.bpf
def test_a_probe_that_lacks_what_it_can_do_without_is_partial() -> None:
    plan = plan_of("exec")
    plan["probes"][0]["btf"]["OFF_BPRM_FILENAME"] = "linux_binprm.no_such_member"
    with Elf(plan) as elf:
        probe = elf.until(wire.HELLO).json()["probes"]["exec"]
        assert (probe["state"], probe["missing"]) == ("partial", ["OFF_BPRM_FILENAME"])
        subprocess.run(["/bin/true"], check=True)
        elf.read(0.5)
        assert set(elf.records("exec")["filename"]) == {b""}
