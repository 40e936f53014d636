"""Plants retransmissions in a network namespace of its own, over IPv4 and IPv6, and tells what the kernel counted; and
23 resets of each.

It is one end of a veth pair; the other end, in a second namespace, takes one address and drops what is for others.
Out: one JSON object, by the address at this end: {"syn": {local port: retransmissions}, "retransmit": {...},
"synack": [remote ports], "port": n, "refused": [port on which nobody listens, [client's ports]]}
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time
from typing import NamedTuple

PLANTED = 23


class Ends(NamedTuple):
    """The addresses of one family."""

    family: socket.AddressFamily
    bits: int
    here: str
    there: str
    nobody: str
    spoofed: str


ENDS = [
    Ends(socket.AF_INET, 24, *(f"198.51.100.{n}" for n in (1, 2, 8, 9))),
    Ends(socket.AF_INET6, 64, *(f"2001:db8::{n}" for n in (1, 2, 8, 9))),
]


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


def far_end() -> int:
    """A second namespace, held by a process that listens and accepts nobody; its pid."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        unshare_network()
        os.write(told, b".")
        time.sleep(150)
        os._exit(0)
    os.read(ready, 1)
    return child


def unshare_network() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        raise OSError(ctypes.get_errno(), "unshare")


def counted(end: socket.socket) -> tuple[int, int]:
    """Its port and tcpi_total_retrans; it is closed at once, so that no more of them come."""
    port = int(end.getsockname()[1])
    info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
    return port, int(struct.unpack_from("<I", info, 100)[0])


def spoofed_syn(ends: Ends, source_port: int, port: int) -> bytes:
    """A SYN from an address that will not answer, with its checksum; the kernel fills in that of an IPv4 header."""
    head = struct.pack("!HHIIBBHHH", source_port, port, 1, 0, 5 << 4, 2, 65535, 0, 0)
    source, target = (socket.inet_pton(ends.family, address) for address in (ends.spoofed, ends.here))
    pseudo = source + target + struct.pack("!II", len(head), 6)
    total = sum(struct.unpack(f"!{len(pseudo + head) // 2}H", pseudo + head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    segment = head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:]
    if ends.family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + source + target + segment
    return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + target + segment


def refuse(ends: Ends) -> tuple[int, list[int]]:
    """A port on which nobody listens, and the ports of those who tried it."""
    ours = []
    with socket.socket(ends.family) as silent:  # bound meanwhile, so that nobody else comes to listen there
        silent.bind((ends.here, 0))
        port = int(silent.getsockname()[1])
        for _ in range(PLANTED):
            with socket.socket(ends.family) as end:
                end.bind((ends.here, 0))
                ours.append(int(end.getsockname()[1]))
                end.connect_ex((ends.here, port))
    return port, ours


def link(far: int) -> None:
    """A veth pair to the namespace of that process, with all addresses."""
    inside = f"nsenter -t {far} -n ip".split()
    ip("link set lo up")
    for name in ("all", "lo", "default"):
        with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w") as stream:
            stream.write("0")
    ip("link add v0 type veth peer name v1")
    ip(f"link set v1 netns {far}")
    ip("link set v0 up")
    for command in ("link set v1 up", "link set lo up"):
        subprocess.run([*inside, *command.split()], check=True)
    shown = subprocess.run([*inside, "-j", "link", "show", "v1"], check=True, capture_output=True).stdout
    mac = json.loads(shown)[0]["address"]
    for ends in ENDS:
        at_once = " nodad" if ends.family == socket.AF_INET6 else ""
        ip(f"addr add {ends.here}/{ends.bits} dev v0{at_once}")
        subprocess.run([*inside, *f"addr add {ends.there}/{ends.bits} dev v1{at_once}".split()], check=True)
        for address in (ends.there, ends.nobody, ends.spoofed):
            ip(f"neigh replace {address} lladdr {mac} dev v0 nud permanent")


def connected(far: int, ends: Ends) -> tuple[subprocess.Popen[bytes], list[socket.socket]]:
    """A server at the far end, which answers until its address is gone, and 23 connections to it."""
    serve = (
        "import socket, sys, time; family = socket.AddressFamily(int(sys.argv[1])); "
        "s = socket.create_server((sys.argv[2], 7), family=family); print(flush=True); time.sleep(150)"
    )
    argv = ["nsenter", "-t", str(far), "-n", sys.executable, "-c", serve, str(int(ends.family)), ends.there]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    talking = [socket.create_connection((ends.there, 7), 2) for _ in range(PLANTED)]
    gone = f"nsenter -t {far} -n ip addr del {ends.there}/{ends.bits} dev v1"
    subprocess.run(gone.split(), check=True)
    return server, talking


def lose(ends: Ends, talking: list[socket.socket]) -> tuple[socket.socket, list[socket.socket]]:
    """Send what nobody answers: SYN-ACKs, SYNs, data. The listener of the first, the sockets of the second."""
    listener = socket.create_server((ends.here, 0), family=ends.family)
    port = listener.getsockname()[1]
    with socket.socket(ends.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for i in range(PLANTED):
            raw.sendto(spoofed_syn(ends, 2000 + i, port), (ends.here, 0))
    trying = []
    for _ in range(PLANTED):
        end = socket.socket(ends.family)
        end.setblocking(False)
        end.connect_ex((ends.nobody, 7))
        trying.append(end)
    for end in talking:
        end.send(b"x")
    return listener, trying


def main() -> None:
    unshare_network()
    far = far_end()
    link(far)
    servers, talking = zip(*(connected(far, ends) for ends in ENDS))  # noqa: B905 (older Pythons)
    losing = [lose(*both) for both in zip(ENDS, talking)]  # noqa: B905
    time.sleep(1.5)
    told = {}
    for i, ends in enumerate(ENDS):
        listener, trying = losing[i]
        told[ends.here] = {
            "refused": refuse(ends),
            "syn": dict(counted(end) for end in trying),
            "retransmit": dict(counted(end) for end in talking[i]),
            "synack": [2000 + n for n in range(PLANTED)],
            "port": listener.getsockname()[1],
        }
    print(json.dumps(told), flush=True)
    for server in servers:
        server.kill()
        server.wait()
    os.kill(far, 9)
    os.waitpid(far, 0)


if __name__ == "__main__":
    main()
