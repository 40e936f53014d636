"""Each planted retransmission is a row, as the sockets themselves counted them; each reset is one on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa

HERE, THERE, NOBODY, SPOOFED = (f"198.51.100.{n}" for n in (1, 2, 8, 9))
PARTIAL = {"6.1": "sk_rst_reason"}  # resets have no reason there, and are told of only where there is a socket


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = [row for row in table("tcp_loss").to_pylist() if row["local_ip"] == HERE]
    for event, remote, state in (("syn", NOBODY, 2), ("retransmit", THERE, 1)):
        mine = [row for row in rows if row["event"] == event]
        assert Counter(str(row["local_port"]) for row in mine) == facts[event]
        assert len(facts[event]) == 23
        assert min(facts[event].values()) >= 1
        assert {(row["remote_ip"], row["remote_port"], row["state"], row["error"]) for row in mine} == {
            (remote, 7, state, None)
        }
    synacks = [row for row in rows if row["event"] == "synack"]
    assert sorted({row["remote_port"] for row in synacks}) == facts["synack"]
    assert {(row["remote_ip"], row["local_port"]) for row in synacks} == {(SPOOFED, facts["port"])}
    port, clients = facts["refused"]
    sent = [row for row in rows if row["local_port"] == port]
    came = [row for row in rows if row["remote_port"] == port]
    tells_all = facts["probe"]["state"] == "on"
    assert sorted(row["remote_port"] for row in sent) == (sorted(clients) if tells_all else [])
    assert sorted(row["local_port"] for row in came) == sorted(clients)
    assert {(row["event"], row["reason"]) for row in sent} <= {("reset_out", "NO_SOCKET")}
    assert {(row["event"], row["reason"], row["state"]) for row in came} == {("reset_in", None, 2)}
