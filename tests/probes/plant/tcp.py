"""Plants 23 connections over IPv4 and 23 over IPv6, each with its own number of bytes; 23 refused, 23 given up."""

import json
import os
import signal
import socket
import struct
import time

PLANTED = 23
REPLY = 1000
HURRY = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


def serve(listener):
    while True:
        peer, _ = listener.accept()
        with peer:
            try:
                if peer.recv(1 << 16):
                    peer.sendall(b"y" * REPLY)
                    peer.recv(1)
            except ConnectionError:
                pass


def server(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen(64)
    pid = os.fork()
    if pid == 0:
        try:
            serve(listener)
        finally:
            os._exit(1)
    port = listener.getsockname()[1]
    listener.close()
    return port, pid


def talk(host, port, count, hurry=False):
    """One connection that sends so many bytes, takes the reply and closes first; its own port."""
    with socket.create_connection((host, port), 10) as end:
        if hurry:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HURRY)
        end.sendall(b"x" * count)
        left = REPLY
        while left:
            left -= len(end.recv(left))
        return end.getsockname()[1]


def refused():
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        port = end.getsockname()[1]
    for _ in range(PLANTED):
        with socket.socket() as end:
            if end.connect_ex(("127.0.0.1", port)) != 111:
                raise SystemExit("somebody listens on port %d" % port)
    return port


facts = {"client": os.getpid(), "refused": refused(), "reply": REPLY}
for name, host, hurry in (("ipv4", "127.0.0.1", False), ("ipv6", "::1", False), ("given_up", "127.0.0.1", True)):
    port, pid = server(host)
    sent = {talk(host, port, 100 + i, hurry): 100 + i for i in range(PLANTED)}
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    facts[name] = {"host": host, "port": port, "server": pid, "sent": sent}
print(json.dumps(facts))
