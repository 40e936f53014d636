"""Plants 23 packets over IPv4, and twice as many over IPv6, of a protocol that nobody takes."""

import json
import socket
import struct

PLANTED = 23
NO_PROTOCOL = 253  # RFC 3692: for experiments; no kernel has a protocol of this number


def send(family, host, head, count):
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            raw.sendto(head + b"abcd", (host, 0))


v4 = [socket.inet_aton("127.0.0.1")] * 2
v6 = [socket.inet_pton(socket.AF_INET6, "::1")] * 2
send(socket.AF_INET, "127.0.0.1", struct.pack("!BBHHHBBH4s4s", 0x45, 0, 24, 0, 0, 64, NO_PROTOCOL, 0, *v4), PLANTED)
send(socket.AF_INET6, "::1", struct.pack("!IHBB16s16s", 6 << 28, 4, NO_PROTOCOL, 64, *v6), 2 * PLANTED)
print(json.dumps({"ipv4": PLANTED, "ipv6": 2 * PLANTED}))
