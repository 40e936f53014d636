"""23 connections of IPv6 and 23 of IPv4 that one end has closed and the other has not, for over six seconds: CLOSE_WAIT
and FIN_WAIT2; and 7 of each that both ends use.

Prints one JSON line: {"closed", "open"}, of each.
"""

import json
import socket
import sys
import time

CLOSED, OPEN = 23, 7


def main():
    kept = []
    for family, address in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")):
        listener = socket.create_server((address, 0), family=family, backlog=64)
        kept.append(listener)
        for at in range(CLOSED + OPEN):
            near = socket.create_connection(listener.getsockname()[:2])
            kept.append(listener.accept()[0])
            if at < CLOSED:
                near.shutdown(socket.SHUT_WR)
            kept.append(near)
        time.sleep(6.3)  # a node looks each fifth second at least; those of IPv6 stand alone once
    print(json.dumps({"closed": CLOSED, "open": OPEN}))


if __name__ == "__main__":
    sys.exit(main())
