"""A dump of the listening sockets, as netlink gives it, and the one before -> one row for each."""

from __future__ import annotations

from ..procfs import Facts, Files, Rows, grown
from ..sockets import parse_sockets

NAMES = ("ts_ns", "span_ns", "local_ip", "local_port", "queued", "queue_limit", "dropped", "uid", "inode")


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row is one socket. In this state the kernel's two queue fields are the accept queue and its limit."""
    sockets = parse_sockets(files.get("sock_diag/listen", b""))
    then = (previous or {}).get("sock_diag/listen")
    before = None if then is None else {s.inode: s.drops for s in parse_sockets(then)}
    found = [
        (ts_ns, span_ns, s.local_ip, s.local_port, s.receive_queue, s.send_queue,
         None if before is None else grown(s.drops, before.get(s.inode, 0)), s.uid, s.inode)
        for s in sockets
    ]  # fmt: skip
    return {name: [row[i] for row in found] for i, name in enumerate(NAMES)}
