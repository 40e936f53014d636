"""23 connections that one end has closed and the other has not, for over six seconds: CLOSE_WAIT and FIN_WAIT2.

Prints one JSON line: {"closed", "open"}.
"""

import json
import socket
import sys
import time

CLOSED, OPEN = 23, 7


def main():
    kept = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        for at in range(CLOSED + OPEN):
            near = socket.create_connection(listener.getsockname())
            kept.append(listener.accept()[0])
            if at < CLOSED:
                near.shutdown(socket.SHUT_WR)
            kept.append(near)
        time.sleep(6.3)  # a node looks each fifth second at least
    print(json.dumps({"closed": CLOSED, "open": OPEN}))


if __name__ == "__main__":
    sys.exit(main())
