"""A service that answers one request at a time, and its client: service.py CPU_MS EVERY_MS SECONDS

Each request needs CPU_MS of CPU time; one comes every EVERY_MS. Says how long requests took, when it is over.
"""

import socket
import sys
import threading
import time

cpu_s, every_s, seconds = int(sys.argv[1]) / 1000, int(sys.argv[2]) / 1000, int(sys.argv[3])


def serve(listener):
    while True:
        client, _ = listener.accept()
        with client:
            client.recv(16)
            end = time.thread_time() + cpu_s
            while time.thread_time() < end:
                pass
            client.sendall(b"done")


listener = socket.create_server(("127.0.0.1", 18081), backlog=64)
threading.Thread(target=serve, args=(listener,), daemon=True).start()
sys.stdin.read()
end, took = time.monotonic() + seconds, []
while time.monotonic() < end:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", 18081), 10) as request:
        request.sendall(b"work")
        request.recv(16)
    took.append(time.monotonic() - began)
    time.sleep(max(0, every_s - took[-1]))
took.sort()
half, longest = took[len(took) // 2] * 1e3, took[-1] * 1e3
print(f"{len(took)} requests, half of them within {half:.0f} ms, the longest {longest:.0f} ms")
