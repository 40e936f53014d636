"""TCP connections that a test makes itself: a server in a process of its own, and clients in this one."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

REPLY = 1000
HURRY = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@contextmanager
def server(host: str) -> Iterator[tuple[int, int]]:
    """(port, process id) of one that answers each connection's first bytes with REPLY bytes, and closes second."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=64) as listener:
        port = listener.getsockname()[1]
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                _serve(listener)
            os._exit(0)
        try:
            yield port, child
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _serve(listener: socket.socket) -> None:
    while True:
        peer, _ = listener.accept()
        with peer, suppress(ConnectionError):
            if peer.recv(1 << 16):
                peer.sendall(b"y" * REPLY)
                peer.recv(1)


def talk(host: str, port: int, count: int, *, hurry: bool = False) -> int:
    """One connection that sends so many bytes, takes the reply and closes first; its own port."""
    with socket.create_connection((host, port), 5) as end:
        if hurry:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HURRY)
        end.sendall(b"x" * count)
        left = REPLY
        while left:
            left -= len(end.recv(left))
        return int(end.getsockname()[1])


def closed_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens."""
    with socket.socket() as end:
        end.bind((host, 0))
        return int(end.getsockname()[1])


def refuse(port: int) -> int:
    """One connection that is refused; its own port."""
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        with suppress(ConnectionRefusedError):
            end.connect(("127.0.0.1", port))
            raise AssertionError("somebody listens there")
        return int(end.getsockname()[1])
