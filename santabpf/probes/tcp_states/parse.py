"""Dumps of the sockets that are neither established nor gone, and counters for those that are -> one row a second."""

from __future__ import annotations

import re
from collections import Counter

from ..procfs import Facts, Files, Rows, number
from ..sockets import parse_sockets

#: enum in include/net/tcp_states.h; 12 is a request that has no socket yet, which the kernel tells as SYN_RECV.
STATES = {
    "syn_sent": 2, "syn_recv": 3, "fin_wait1": 4, "fin_wait2": 5, "close_wait": 8, "last_ack": 9, "closing": 11,
}  # fmt: skip


def rows(files: Files, previous: Files | None, ts_ns: int, span_ns: int, facts: Facts) -> Rows:
    """One row; what could not be read is null."""
    row: dict[str, int | None] = {"ts_ns": ts_ns, "span_ns": span_ns, **dict.fromkeys(STATES)}
    dump = files.get("sock_diag/passing")
    if dump is not None:
        counts = Counter(socket.state for socket in parse_sockets(dump))
        row |= {name: counts[state] for name, state in STATES.items()}
    in_use, waiting = _current(files.get("/proc/net/snmp", b"")), row["close_wait"]
    row["established"] = None if in_use is None or waiting is None else max(0, in_use - waiting)
    gone = re.search(rb"^TCP:.* tw (\d+)", files.get("/proc/net/sockstat", b""), re.MULTILINE)
    row["time_wait"] = number(gone[1]) if gone else None
    listening = files.get("sock_diag/listen")
    row["listening"] = None if listening is None else len(parse_sockets(listening))
    return {name: [value] for name, value in row.items()}


def _current(snmp: bytes) -> int | None:
    """CurrEstab: sockets in ESTABLISHED or CLOSE_WAIT, of both families."""
    lines = [line.split() for line in snmp.splitlines() if line.startswith(b"Tcp:")]
    if len(lines) != 2 or b"CurrEstab" not in lines[0]:
        return None
    at = lines[0].index(b"CurrEstab")
    return number(lines[1][at]) if at < len(lines[1]) else None
