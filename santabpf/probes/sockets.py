"""Messages of sock_diag(7) to sockets. In: bytes of a dump. Out: Socket values. Never: a socket of its own.

Each message is a nlmsghdr of 16 bytes and a struct inet_diag_msg of 72 (include/uapi/linux/inet_diag.h), then
attributes.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

_AF_INET = 2
_HEADER = struct.Struct("<IHHII")
#: family, state, timer, retransmits; ports and addresses in network order; interface, cookie; times, queues, uid, inode
_MESSAGE = struct.Struct("<BBBB2s2s16s16sI8sIIIII")
_ATTRIBUTE = struct.Struct("<HH")
_MEMORY, _DROPS = 7, 8  # INET_DIAG_SKMEMINFO; SK_MEMINFO_DROPS in it, include/uapi/linux/sock_diag.h


class Socket(NamedTuple):
    """One TCP socket."""

    state: int
    local_ip: str
    local_port: int
    receive_queue: int
    send_queue: int
    uid: int
    inode: int
    drops: int | None  # packets dropped at it since it was made; None where that was not asked for


def parse_sockets(dump: bytes) -> list[Socket]:
    """All sockets of a dump. Raises ValueError where it is none."""
    out, at = [], 0
    while at < len(dump):
        if at + _HEADER.size + _MESSAGE.size > len(dump):
            raise ValueError("a socket's message is cut")
        length = _HEADER.unpack_from(dump, at)[0]
        if length < _HEADER.size + _MESSAGE.size:
            raise ValueError(f"a socket's message is {length} bytes long")
        fields = _MESSAGE.unpack_from(dump, at + _HEADER.size)
        family, state, local_port, local = fields[0], fields[1], fields[4], fields[6]
        receive, send, uid, inode = fields[11:15]
        address = ipaddress.ip_address(local[:4] if family == _AF_INET else local)
        drops = _drops(dump[at + _HEADER.size + _MESSAGE.size : at + length])
        out.append(Socket(state, str(address), int.from_bytes(local_port, "big"), receive, send, uid, inode, drops))
        at += (length + 3) & ~3
    return out


def _drops(attributes: bytes) -> int | None:
    at = 0
    while at + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        value = attributes[at + _ATTRIBUTE.size : at + length]
        if kind == _MEMORY and len(value) >= 4 * (_DROPS + 1):
            return int.from_bytes(value[4 * _DROPS : 4 * _DROPS + 4], "little")
        if length < _ATTRIBUTE.size:
            break
        at += (length + 3) & ~3
    return None
