"""Packets that the tests let the kernel drop, counted in drops under their reason; ordinary life is not counted."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
from planted_tcp import server, talk
from real_elf import Elf, plan_of

from santabpf import wire
from santabpf.elf.btf import BTF

pytestmark = pytest.mark.bpf
PLANTED = 23
#: RFC 3692: for experiments; no kernel has a protocol of this number.
NO_PROTOCOL = 253
IPV4, IPV6 = 0x0800, 0x86DD


def counted(payload: bytes) -> dict[tuple[bytes, int, int], int]:
    """(reason, its number, EtherType) -> packets on all CPUs."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    out = {}
    for at in range(0, len(payload), 40 + 8 * cpus):
        number, protocol, reason = struct.unpack_from("<II32s", payload, at)
        name, _, rest = reason.partition(b"\0")
        assert rest.strip(b"\0") == b""
        out[name, number, protocol] = sum(struct.unpack_from(f"<{cpus}Q", payload, at + 40))
    return out


def send_what_nobody_takes(family: int, host: str, count: int) -> None:
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            if family == socket.AF_INET:
                ends = [socket.inet_aton(host)] * 2
                head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 24, 0, 0, 64, NO_PROTOCOL, 0, *ends)
            else:
                ends = [socket.inet_pton(family, host)] * 2
                head = struct.pack("!IHBB16s16s", 6 << 28, 4, NO_PROTOCOL, 64, *ends)
            raw.sendto(head + b"abcd", (host, 0))


def test_23_packets_that_nobody_takes_are_23_drops_of_that_reason_in_each_family() -> None:
    with Elf(plan_of("drops")) as elf:
        elf.until(wire.HELLO)
        assert elf.json_of(wire.HELLO)[0]["probes"]["drops"]["state"] == "on"
        elf.read(0.2)
        send_what_nobody_takes(socket.AF_INET, "127.0.0.1", PLANTED)
        send_what_nobody_takes(socket.AF_INET6, "::1", 2 * PLANTED)
        elf.read(1.2)
        elf.finish()
        readings = [counted(p) for p in elf.payloads(wire.MAP, "drops")]
        assert elf.json_of(wire.TICK)[-1]["loss"]["drops"]["map_full"] == 0
    assert readings[0] == {}
    mine = {protocol: n for (reason, _, protocol), n in readings[-1].items() if reason == b"IP_NOPROTO"}
    assert mine == {IPV4: PLANTED, IPV6: 2 * PLANTED}
    assert all(reason for reason, _, _ in readings[-1]), "this kernel's reasons are all known"


def test_23_datagrams_to_a_port_without_a_socket_are_counted_and_short_connections_are_not() -> None:
    with Elf(plan_of("drops")) as elf, server("127.0.0.1") as (port, _):
        elf.until(wire.HELLO)
        elf.read(0.2)
        for _ in range(PLANTED):
            talk("127.0.0.1", port, 10)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as end:
            for _ in range(PLANTED):
                end.sendto(b"x", ("::1", 9))
        elf.read(1.2)
        elf.finish()
        last = counted(elf.payloads(wire.MAP, "drops")[-1])
    names = {reason for reason, _, _ in last}
    assert sum(n for (reason, _, protocol), n in last.items() if (reason, protocol) == (b"NO_SOCKET", IPV6)) >= PLANTED
    assert not names & {b"NOT_SPECIFIED", b"CONSUMED", b"QUEUE_PURGE", b"SOCKET_CLOSE", b"TCP_OLD_DATA", b""}


def test_a_scope_leaves_out_packets_whose_socket_is_not_known() -> None:
    with Elf(plan_of("drops", scope={"tree": os.getpid()})) as elf:
        elf.until(wire.HELLO)
        elf.read(0.2)
        send_what_nobody_takes(socket.AF_INET, "127.0.0.1", PLANTED)
        elf.read(1.2)
        elf.finish()
        assert b"IP_NOPROTO" not in {reason for reason, _, _ in counted(elf.payloads(wire.MAP, "drops")[-1])}
        assert elf.json_of(wire.HELLO)[0]["probes"]["drops"]["state"] == "on"


def test_a_cgroup_scope_counts_what_the_full_sockets_of_its_processes_drop() -> None:
    if (BTF.of_kernel().resolve("args kfree_skb") or 0) < 4:
        pytest.skip("this kernel does not tell the receiving socket")
    if (unified := v2_tree()) is None:
        pytest.skip("there is no tree of cgroups v2")
    group = unified / f"santabpf-drops-{os.getpid()}"
    group.mkdir()
    try:
        inside, outside = deaf_socket(group), deaf_socket(None)
        with Elf(plan_of("drops", scope={"cgroup": str(group)})) as elf:
            elf.until(wire.HELLO)
            elf.read(0.2)
            for end in (outside, inside, outside):
                overfill(end)
            sent = overfill(inside)
            elf.read(1.2)
            elf.finish()
            last = counted(elf.payloads(wire.MAP, "drops")[-1])
        assert {reason for reason, _, _ in last} == {b"SOCKET_RCVBUFF"}
        assert sent <= sum(last.values()) < 2 * sent, "its second filling was dropped whole, and some of its first"
    finally:
        inside.close()
        outside.close()
        group.rmdir()


def v2_tree() -> Path | None:
    """Where cgroups v2 are mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return Path(line.split(" ")[4])
    return None


def deaf_socket(group: Path | None) -> socket.socket:
    """One with little room that nobody reads, made by this thread, which was in that cgroup just then."""
    if group is None:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        home = group.parent / Path("/proc/self/cgroup").read_text().split("0::/", 1)[1].splitlines()[0]
        (group / "cgroup.procs").write_text(str(os.getpid()))
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        finally:
            (home / "cgroup.procs").write_text(str(os.getpid()))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.bind(("127.0.0.1", 0))
    return made


def overfill(end: socket.socket) -> int:
    """How many datagrams were sent to it; it can't hold them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for _ in range(10 * PLANTED):
            other.sendto(b"x" * 100, end.getsockname())
    return 10 * PLANTED
