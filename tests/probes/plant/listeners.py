"""Two listeners, one for IPv4 and one for IPv6, each with 3 connections that nobody accepts, for over two seconds.

Prints one JSON line: {"ports": {address: port}, "backlog", "waiting"}.
"""

import json
import os
import socket
import sys
import time

WAITING, BACKLOG = 3, 16


def main():
    kept, ports, inodes = [], {}, {}
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
    time.sleep(2.3)
    print(json.dumps({"ports": ports, "inodes": inodes, "backlog": BACKLOG, "waiting": WAITING, "uid": os.getuid()}))


if __name__ == "__main__":
    sys.exit(main())
