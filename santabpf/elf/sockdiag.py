"""TCP sockets by netlink (sock_diag(7)), as the kernel tells them. In: which ones. Out: raw messages. Never: parses.

Sockets of this process's network namespace. Listeners have a table of their own in the kernel; for other states it
walks the table of all connections, which takes a millisecond for each 10^5 slots or so. Hence the older request, which
asks for both families in one walk; SOCK_DIAG_BY_FAMILY would need two. And hence the rests: see Dump.
"""

from __future__ import annotations

import socket
import struct
import time

_SOCK_DIAG, _TCP, _DUMP = 4, 18, 0x301  # NETLINK_SOCK_DIAG, TCPDIAG_GETSOCK, NLM_F_REQUEST | NLM_F_DUMP
_DONE, _ERROR = 3, 2  # NLMSG_DONE, NLMSG_ERROR
_ESTABLISHED, _TIME_WAIT, _LISTEN = 1, 6, 10  # include/net/tcp_states.h
_ALL = 0xFFE  # states 1 to 11
#: What can be asked for: sets of states.
STATES = {"listen": 1 << _LISTEN, "passing": _ALL & ~(1 << _ESTABLISHED | 1 << _TIME_WAIT | 1 << _LISTEN)}
#: Their memory, of which the last number is what was dropped: INET_DIAG_SKMEMINFO, only of listeners.
_MEMORY = {"listen": 1 << 6}
_LIMIT = 4 << 20
#: After a walk that took 1 ms of CPU, 2 s pass before the next; 5 s at most.
_REST, _REST_MOST_S = 2000, 5.0


class Dump:
    """Sockets of some states, read once a second; a walk of the table of all connections only as often as it may cost.

    The first reading, from which differences start, needs no walk: what is found by one is no counter.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._walks = name != "listen"
        self._is_first, self._due = True, 0.0

    def read(self) -> bytes | None:
        """The messages, as read() has them; None while it rests, too."""
        is_first, self._is_first = self._is_first, False
        if self._walks and (is_first or time.monotonic() < self._due):
            return None
        before = time.thread_time()
        messages = read(self.name)
        if self._walks:
            rest = min(_REST * (time.thread_time() - before), _REST_MOST_S)
            self._due = time.monotonic() + rest - 0.5  # it is asked once a second, and not to the millisecond
        return messages


def read(name: str) -> bytes | None:
    """The messages about all IPv4 and IPv6 sockets in these states; None where the kernel refuses."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as link:
            link.settimeout(1)
            return _dump(link, STATES[name], _MEMORY.get(name, 0))
    except OSError:
        return None


def _dump(link: socket.socket, states: int, more: int) -> bytes:
    wanted = struct.pack("<3xB48xII", more, states, 0)  # struct inet_diag_req: of any family and address
    link.send(struct.pack("<IHHII", 16 + len(wanted), _TCP, _DUMP, 1, 0) + wanted)
    parts, size = [], 0
    while size < _LIMIT:
        data = link.recv(1 << 16)
        at = 0
        while at + 16 <= len(data):
            length, kind = struct.unpack_from("<IH", data, at)
            if kind == _ERROR:
                raise OSError("sock_diag refused")
            if kind == _DONE or length < 16:
                return b"".join([*parts, data[:at]])
            at += (length + 3) & ~3
        parts.append(data)
        size += len(data)
    return b"".join(parts)
