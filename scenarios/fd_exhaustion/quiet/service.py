"""What a service does with descriptors, for drills: service.py HOW SECONDS, begun when standard input is closed.

HOW: open (never closes the files that it opens), accept (never closes its connections), enoent (asks for files that are
not there), many (opens as many as it may, but for a few, and closes them again).
"""

import contextlib
import os
import resource
import socket
import sys
import threading
import time

HOW, SECONDS = sys.argv[1], int(sys.argv[2])
LIMIT, PAUSE_S = 128, 0.01
kept: list[object] = []


def leak_files() -> None:
    kept.append(os.open("/usr/bin/env", os.O_RDONLY))


def leak_connections() -> None:
    kept.append(listener.accept())


def ask_in_vain() -> None:
    for turn in range(10):
        with contextlib.suppress(FileNotFoundError):
            os.open(f"/tmp/drill/no-such-{turn}", os.O_RDONLY)


def open_many() -> None:
    files = [os.open("/usr/bin/env", os.O_RDONLY) for _ in range(LIMIT - 10)]
    for file in files:
        os.close(file)


def clients(port: int) -> None:
    """New ones all the time, each of which is content with being connected. A process of its own."""
    end, connections = time.monotonic() + SECONDS, []
    while time.monotonic() < end and len(connections) < 400:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        connections.append(client)
        time.sleep(PAUSE_S)
    time.sleep(max(0.0, end - time.monotonic()))


work = {"open": leak_files, "accept": leak_connections, "enoent": ask_in_vain, "many": open_many}[HOW]
listener = socket.create_server(("127.0.0.1", 0), backlog=16)
sys.stdin.read()
if HOW == "accept" and os.fork() == 0:
    port = listener.getsockname()[1]
    listener.close()
    clients(port)
    os._exit(0)
resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
threading.Timer(SECONDS, os._exit, (0,)).start()
failed = 0
while True:
    try:
        work()
    except OSError as exc:
        failed += 1
        if failed == 1:
            print(f"service: {exc.strerror}", file=sys.stderr)
    time.sleep(PAUSE_S)
