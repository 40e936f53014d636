"""What plant/security.py planted, in the three tables of security: all of it, and nothing beside it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pyarrow as pa

PLANTED = 23
SPEC = "security:each_denial=0"  # without a parameter it would be the whole set of that name
#: cap_capable came in 6.14; a kernel without modules has no call that loads one
PARTIAL = {"6.1": "cap_capable", "6.12": "cap_capable", "6.18": "finit_module"}
Row = dict[str, Any]
CLONE_NEWUTS = 0x04000000
IDS = {
    "setuid": (0, None, None), "setreuid": (None, 0, None), "setresuid": (0, 0, None), "setgid": (0, None, None),
    "setregid": (None, 0, None), "setresgid": (0, None, None), "setfsuid": (None, None, None),
    "setfsgid": (None, None, None), "setgroups": (7, None, None),
}  # fmt: skip

VALUES = {"setfsuid": 7, "setfsgid": 7, "setgroups": 2}


def check(table: Callable[[str], pa.Table], facts: Row) -> None:
    """Asserts on the three tables."""
    rows = table("security").to_pylist()
    files = table("security_files").to_pylist()

    def of(name: str, action: str | None = None) -> list[Row]:
        return [r for r in rows if r["tgid"] in facts[name]["tgids"] and (action is None or r["action"] == action)]

    _check_calls(of, facts)
    _check_sockets(of, facts)
    _check_programs(of, facts)
    _check_files([r for r in files if r["error"] is None], files, facts)
    _check_capabilities(table("capability_checks").to_pylist(), facts)
    for r in [*rows, *files]:
        if r["tgid"] in _all_tgids(facts):
            assert r["start_ns"]
            assert r["pstart_ns"]
            assert r["ptgid"]
            assert r["uid"] == r["euid"] or r["action"] == "exec_setuid"
            assert r["comm"]
            assert r["cgroup"] == facts["cgroup"]
            assert r["pcomm"] == "python3"


def _all_tgids(facts: Row) -> set[int]:
    return {tgid for fact in facts.values() if isinstance(fact, dict) for tgid in fact.get("tgids", [])}


def _check_calls(of: Callable[..., list[Row]], facts: Row) -> None:
    for name, ids in IDS.items():
        found = [(r["action"], r["real_id"], r["effective_id"], r["saved_id"], r["error"], r["uid"]) for r in of(name)]
        assert found == [(name, *ids, None, 0)] * PLANTED
        assert {r["value"] for r in of(name)} == {VALUES.get(name)}
    none = [(r["action"], r["real_id"], r["value"], r["error"]) for r in of("setgroups_none")]
    assert none == [("setgroups", None, 0, None)] * PLANTED
    for name, action in (("setfsuid_denied", "setfsuid"), ("setgroups_denied", "setgroups")):
        found = [(r["value"], r["error"], r["uid"]) for r in of(name, action)]
        assert found == [(0, errno.EPERM, 65534)] * PLANTED
    denied = [(r["real_id"], r["error"], r["uid"], r["euid"]) for r in of("setuid_denied", "setuid")]
    assert denied == [(0, errno.EPERM, 65534, 65534)] * PLANTED

    target = facts["ptrace"]["target"]
    for name, error in (("ptrace", None), ("ptrace_denied", errno.ESRCH)):
        found = [(r["action"], r["flags"], r["target_tid"], r["error"]) for r in of(name)]
        assert found == [("ptrace", 0x4206, target, error)] * PLANTED
    for name in ("vm_read", "vm_write"):
        (own,) = facts[name]["tgids"]
        assert [(r["action"], r["target_tid"], r["error"]) for r in of(name)] == [(name, own, None)] * PLANTED
    made = [(r["action"], r["flags"], r["value"], r["what"], r["error"]) for r in of("bpf")]
    assert made == [("bpf", 0, 2, "santa_planted", None)] * PLANTED
    assert [r["what"] for r in of("bpf_reading")] == ["santa_read"]

    place = f"{facts['folder']}/mount"
    mounted = [(r["what"], r["detail"], r["kind"], r["error"]) for r in of("mount", "mount")]
    assert mounted == [("/", "none", None, None), *[(place, "planted", "tmpfs", None)] * PLANTED]
    assert [(r["what"], r["flags"], r["error"]) for r in of("mount", "umount")] == [(place, 0, None)] * PLANTED
    assert [(r["action"], r["what"], r["error"]) for r in of("mount_denied")] == [
        ("mount", "/nowhere/at/all", errno.ENOENT)
    ] * PLANTED
    assert [(r["action"], r["what"], r["error"]) for r in of("chroot")] == [("chroot", "/", None)] * PLANTED
    moved = [(r["action"], r["what"], r["detail"], r["error"]) for r in of("pivot_root")]
    assert moved == [("pivot_root", "/nowhere", "/nowhere", errno.ENOENT)] * PLANTED
    assert [(r["action"], r["flags"], r["error"]) for r in of("unshare")] == [("unshare", CLONE_NEWUTS, None)] * PLANTED
    entered = [(r["action"], r["flags"], r["value"], r["error"]) for r in of("setns")]
    assert entered == [("setns", CLONE_NEWUTS, facts["setns"]["inode"], None)] * PLANTED
    for name in ("clone", "clone3"):
        cloned = of(name)
        assert [(r["action"], r["flags"], r["error"]) for r in cloned] == [("clone", CLONE_NEWUTS, None)] * PLANTED
        assert len({r["target_tid"] for r in cloned}) == PLANTED
    moved = [(r["action"], r["what"], r["detail"], r["error"]) for r in of("move_mount")]
    assert moved == [("move_mount", "/nowhere/too", "/nowhere", errno.ENOENT)] * PLANTED
    created = [(r["action"], r["what"], r["error"], r["fd"] > 2) for r in of("memfd_create")]
    assert created == [("memfd_create", "santa-planted", None, True)] * PLANTED

    program = f"{facts['folder']}/program"
    if "load_module" in facts:
        loaded = [(r["action"], r["what"], r["flags"], r["error"]) for r in of("load_module")]
        assert loaded == [("load_module", program, 2, errno.ENOEXEC)] * PLANTED
    bits = {"chmod_s": 0o4755, "fchmod_s": 0o2755, "fchmodat_s": 0o6755, "fchmodat2_s": 0o4711}
    for name, mode in bits.items():
        if name not in facts:  # fchmodat2 came in 6.6
            continue
        found = [(r["action"], r["what"], r["flags"], r["error"]) for r in of(name)]
        assert found == [("chmod_s", program, mode, None)] * PLANTED
    assert of("chmod_plain") == []


def _check_sockets(of: Callable[..., list[Row]], facts: Row) -> None:
    for host in facts["hosts"]:
        fact = facts[f"dup_{host}"]
        peer = (host, host, fact["local_port"], fact["remote_port"])
        for name, fds in ((f"dup_{host}", [0]), (f"dup3_{host}", [2]), (f"exec_{host}", [0, 1, 2])):
            found = of(name, "dup_socket")
            assert sorted(r["fd"] for r in found) == sorted(fds * PLANTED)
            assert {_peer(r) for r in found} == {peer}
            assert {r["error"] for r in found} == {None}
        ran = of(f"exec_{host}", "exec_socket")
        assert sorted(r["tgid"] for r in ran) == sorted(facts[f"exec_{host}"]["tgids"])
        assert {(_peer(r), r["fd"], r["comm"], r["detail"]) for r in ran} == {(peer, 0, "sh", "/bin/sh")}
    for name in ("dup_elsewhere", "dup_pipe", "dup_unix"):
        assert of(name) == []


def _peer(r: Row) -> tuple[str, str, int, int]:
    return r["local_ip"], r["remote_ip"], r["local_port"], r["remote_port"]


def _check_programs(of: Callable[..., list[Row]], facts: Row) -> None:
    def once_each(name: str, action: str) -> list[Row]:
        found = of(name, action)
        assert sorted(r["tgid"] for r in found) == sorted(facts[name]["tgids"])
        return found

    for name in ("exec_memory", "execveat_memory"):
        assert {r["what"] for r in once_each(name, "exec_memory")} == {"/memfd:planted"}
        assert len(of(name)) == PLANTED
    program = f"{facts['folder']}/program"
    assert {(r["what"], r["detail"]) for r in once_each("exec_temporary", "exec_temporary")} == {(program, program)}
    assert {r["what"] for r in once_each("exec_deleted", "exec_deleted")} == {program}
    assert {r["detail"] for r in once_each("exec_kernel", "exec_kernel")} == {"[kworker/0:1]"}
    assert of("exec_plain") == []
    if facts["exec_setuid"]["path"]:
        found = once_each("exec_setuid", "exec_setuid")
        assert {(r["what"], r["uid"], r["euid"], r["flags"] & 0o4000) for r in found} == {
            (facts["exec_setuid"]["path"], 65534, 0, 0o4000)
        }
    renamed = [(r["action"], r["what"]) for r in of("rename_kernel")]
    assert renamed == [("rename_kernel", "kworker/0:1-eve")] * PLANTED
    assert of("rename_plain") == []


def _check_files(done: list[Row], rows: list[Row], facts: Row) -> None:
    names = list(facts["files"])
    planted = [(f"/etc/{names[n % len(names)]}", facts["files"][names[n % len(names)]]) for n in range(PLANTED)]

    def of(name: str, rows: list[Row], action: str) -> list[Row]:
        return [r for r in rows if r["tgid"] in facts[name]["tgids"] and r["action"] == action]

    opened = dict.fromkeys(("open", "relative", "link", "creat", "by_open", "openat2"), "open")
    for how, action in (opened | {"truncate": "truncate", "chmod": "chmod"}).items():
        assert [(r["path"], r["kind"]) for r in of(f"file_{how}", done, action)] == planted, how
        assert len([r for r in rows if r["tgid"] in facts[f"file_{how}"]["tgids"]]) == PLANTED
    assert {r["flags"] for r in of("file_chmod", done, "chmod")} == {0o666}
    assert [r for r in rows if r["tgid"] in facts["file_read"]["tgids"]] == []

    numbers = range(PLANTED)
    moves: dict[str, tuple[str, list[tuple[str, str | None, str]]]] = {}
    for how in ("rename", "renameat", "renameat2"):
        moves[how] = "rename", [("/etc/passwd", "/etc/other", "account")] * PLANTED
    for how in ("unlink", "unlinkat"):
        moves[how] = "unlink", [("/etc/cron.d/gone", None, "cron")] * PLANTED
    for how in ("symlink", "symlinkat"):
        moves[how] = "symlink", [(f"/etc/systemd/system/{how}-{n}.service", "/nowhere", "service") for n in numbers]
    for how in ("link", "linkat"):
        moves[how] = "link", [(f"/etc/{how}-{n}", "/etc/shadow", "account") for n in numbers]
    for how, (action, expected) in moves.items():
        found = of(f"move_{how}", done, action)
        assert [(r["path"], r["other_path"], r["kind"]) for r in found] == expected, how
    failed = [(r["path"], r["other_path"], r["error"]) for r in of("rename_denied", rows, "rename")]
    assert failed == [("/etc/passwd", "/nowhere/at/all", errno.ENOENT)] * PLANTED
    key = f"{facts['folder']}/.ssh/authorized_keys"
    assert [(r["path"], r["kind"]) for r in of("keys", done, "open")] == [(key, "ssh")] * PLANTED


def _check_capabilities(rows: list[Row], facts: Row) -> None:
    """Where the kernel has no tracepoint for it the table is empty, and the recording says so."""
    if not rows:
        return

    def checks(name: str, capability: int, *, denied: bool) -> int:
        tgids = facts[name]["tgids"]
        return sum(
            r["checks"]
            for r in rows
            if r["tgid"] in tgids and r["capability"] == capability and r["denied"] == denied
        )

    assert checks("capability_denied", 23, denied=True) == PLANTED
    assert checks("capability_denied", 23, denied=False) == 0
    assert checks("capability_granted", 18, denied=False) == PLANTED
    assert checks("capability_noise", 21, denied=True) == 0
