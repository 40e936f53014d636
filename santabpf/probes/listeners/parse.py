"""A dump of the listening sockets, as netlink gives it -> one row for each."""

from __future__ import annotations

from ..procfs import Facts, Files, Rows
from ..sockets import parse_sockets

NAMES = ("ts_ns", "span_ns", "local_ip", "local_port", "queued", "queue_limit", "uid", "inode")


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row is one socket. In this state the kernel's two queue fields are the accept queue and its limit."""
    sockets = parse_sockets(files.get("sock_diag/listen", b""))
    found = [(ts_ns, span_ns, s.local_ip, s.local_port, s.receive_queue, s.send_queue, s.uid, s.inode) for s in sockets]
    return {name: [row[i] for row in found] for i, name in enumerate(NAMES)}
