"""Two listeners, one for IPv4 and one for IPv6, each with 3 connections that nobody accepts, for over two seconds; and
two that have no room for 23 more.

Prints one JSON line: {"ports": {address: port}, "ready_ns", "backlog", "waiting", ...,
"turned_away": {address: [port, SYNs]}}.
"""

import json
import os
import socket
import struct
import sys
import time

WAITING, BACKLOG, PLANTED = 3, 16, 23


def full(family, address):
    """A listener whose queue is full, and 23 that knock."""
    listener = socket.create_server((address, 0), family=family, backlog=1)
    inside = [socket.create_connection(listener.getsockname()[:2]) for _ in range(2)]
    knocking = [socket.socket(family) for _ in range(PLANTED)]
    for end in knocking:
        end.setblocking(False)
        end.connect_ex(listener.getsockname()[:2])
    return listener, inside, knocking


def syns(end):
    """How many it has sent; it is closed, so that no more come."""
    info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    end.close()
    return 1 + struct.unpack_from("<I", info, 100)[0]  # tcpi_total_retrans


def main():
    kept, ports, inodes, knocked = [], {}, {}, {}
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind((address, 0))
        listener.listen(BACKLOG)
        ports[address] = listener.getsockname()[1]
        inodes[address] = os.fstat(listener.fileno()).st_ino
        kept.append(listener)
        for _ in range(WAITING):
            end = socket.socket(family, socket.SOCK_STREAM)
            end.connect((address, ports[address]))
            kept.append(end)
        knocked[address] = full(family, address)
    ready_ns = time.time_ns()
    time.sleep(2.3)
    turned_away = {a: [at.getsockname()[1], sum(map(syns, ends))] for a, (at, _, ends) in knocked.items()}
    time.sleep(1.2)  # for the last of them to be read
    facts = {"ports": ports, "inodes": inodes, "backlog": BACKLOG, "waiting": WAITING, "uid": os.getuid()}
    print(json.dumps({**facts, "ready_ns": ready_ns, "turned_away": turned_away}))


if __name__ == "__main__":
    sys.exit(main())
