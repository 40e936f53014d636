"""Plants retransmissions in a network namespace of its own, and tells what the kernel counted; and 23 resets.

It is one end of a veth pair; the other end, in a second namespace, takes 198.51.100.2 and drops what is for others.
Out: one JSON object: {"syn": {local port: retransmissions}, "retransmit": {...}, "synack": [remote ports], "port": n,
"refused": [port on which nobody listens, [client's ports]]}
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

HERE, THERE, NOBODY, SPOOFED = "198.51.100.1", "198.51.100.2", "198.51.100.8", "198.51.100.9"
PLANTED = 23


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


def far_end() -> int:
    """A second namespace, held by a process that listens and accepts nobody; its pid."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        unshare_network()
        os.write(told, b".")
        time.sleep(20)
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


def spoofed_syn(source_port: int, port: int) -> bytes:
    """A SYN from an address that will not answer, with its checksum; the kernel fills in that of the IP header."""
    head = struct.pack("!HHIIBBHHH", source_port, port, 1, 0, 5 << 4, 2, 65535, 0, 0)
    pseudo = socket.inet_aton(SPOOFED) + socket.inet_aton(HERE) + struct.pack("!BBH", 0, 6, len(head))
    total = sum(struct.unpack(f"!{len(pseudo + head) // 2}H", pseudo + head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    segment = head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:]
    outer = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, socket.inet_aton(SPOOFED), socket.inet_aton(HERE))
    return outer + segment


def refuse() -> tuple[int, list[int]]:
    """A port on which nobody listens, and the ports of those who tried it."""
    with socket.socket() as end:
        end.bind((HERE, 0))
        port = int(end.getsockname()[1])
    ours = []
    for _ in range(PLANTED):
        with socket.socket() as end:
            end.bind((HERE, 0))
            ours.append(int(end.getsockname()[1]))
            end.connect_ex((HERE, port))
    return port, ours


def main() -> None:
    unshare_network()
    far = far_end()
    inside = f"nsenter -t {far} -n ip".split()
    ip("link set lo up")
    for name in ("all", "lo", "default"):
        with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w") as stream:
            stream.write("0")
    ip("link add v0 type veth peer name v1")
    ip(f"link set v1 netns {far}")
    ip(f"addr add {HERE}/24 dev v0")
    ip("link set v0 up")
    for command in (f"addr add {THERE}/24 dev v1", "link set v1 up", "link set lo up"):
        subprocess.run([*inside, *command.split()], check=True)
    shown = subprocess.run([*inside, "-j", "link", "show", "v1"], check=True, capture_output=True).stdout
    mac = json.loads(shown)[0]["address"]
    for address in (THERE, NOBODY, SPOOFED):
        ip(f"neigh replace {address} lladdr {mac} dev v0 nud permanent")
    serve = "import socket,time; s=socket.create_server(('198.51.100.2', 7)); print(flush=True); time.sleep(20)"
    server = subprocess.Popen(["nsenter", "-t", str(far), "-n", sys.executable, "-c", serve], stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    talking = [socket.create_connection((THERE, 7), 2) for _ in range(PLANTED)]
    subprocess.run([*inside, "addr", "del", f"{THERE}/24", "dev", "v1"], check=True)

    listener = socket.create_server((HERE, 0))
    port = listener.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for i in range(PLANTED):
            raw.sendto(spoofed_syn(2000 + i, port), (HERE, 0))
    trying = []
    for _ in range(PLANTED):
        end = socket.socket()
        end.setblocking(False)
        end.connect_ex((NOBODY, 7))
        trying.append(end)
    for end in talking:
        end.send(b"x")
    time.sleep(1.5)
    refused = refuse()
    print(json.dumps({
        "refused": refused,
        "syn": dict(counted(end) for end in trying),
        "retransmit": dict(counted(end) for end in talking),
        "synack": [2000 + i for i in range(PLANTED)],
        "port": port,
    }), flush=True)  # fmt: skip
    server.kill()
    server.wait()
    os.kill(far, 9)
    os.waitpid(far, 0)


if __name__ == "__main__":
    main()
