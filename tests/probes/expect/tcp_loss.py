"""Each planted retransmission is a row, as the sockets themselves counted them; each reset is one on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa

#: Here -> there, an address of nobody's, and one that was made up.
ENDS = {base + "1": tuple(base + n for n in "289") for base in ("198.51.100.", "2001:db8::")}
PARTIAL = {"6.1": "sk_rst_reason"}  # resets have no reason there, and are told of only where there is a socket


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    for here, (there, nobody, spoofed) in ENDS.items():
        rows, planted = [row for row in table("tcp_loss").to_pylist() if row["local_ip"] == here], facts[here]
        for event, remote, state in (("syn", nobody, 2), ("retransmit", there, 1)):
            mine = [row for row in rows if row["event"] == event]
            seen = Counter(str(row["local_port"]) for row in mine)
            assert seen.keys() == planted[event].keys()
            # one more may be sent between the moment at which a socket is asked and that at which it is closed
            more = {port: times - planted[event][port] for port, times in seen.items() if times != planted[event][port]}
            assert set(more.values()) <= {1}, more
            assert len(more) <= 2, more
            assert len(planted[event]) == 23
            assert min(planted[event].values()) >= 1
            assert {(row["remote_ip"], row["remote_port"], row["state"], row["error"]) for row in mine} == {
                (remote, 7, state, None)
            }
        synacks = [row for row in rows if row["event"] == "synack"]
        assert sorted({row["remote_port"] for row in synacks}) == planted["synack"]
        assert {(row["remote_ip"], row["local_port"]) for row in synacks} == {(spoofed, planted["port"])}
        _refused(rows, *planted["refused"], tells_all=facts["probe"]["state"] == "on")


def _refused(rows: list[dict[str, Any]], port: int, clients: list[int], *, tells_all: bool) -> None:
    sent = [row for row in rows if row["local_port"] == port]
    came = [row for row in rows if row["remote_port"] == port]
    assert sorted(row["remote_port"] for row in sent) == (sorted(clients) if tells_all else [])
    assert sorted(row["local_port"] for row in came) == sorted(clients)
    assert {(row["event"], row["reason"]) for row in sent} <= {("reset_out", "NO_SOCKET")}
    assert {(row["event"], row["reason"], row["state"]) for row in came} == {("reset_in", None, 2)}
