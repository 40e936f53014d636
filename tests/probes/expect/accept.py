"""What plant/accept.py did: waits of a known length, connections nobody took, and those that a full queue kept out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from ..slots import slot

SPEC = "accept:min_wait_ns=0"
#: Without the reason, the rows of overflow are missing.
PARTIAL = dict.fromkeys(("6.1", "6.12"), "SKB_DROP_REASON_TCP_LISTEN_OVERFLOW")
PLANTED = 23
READINGS = 2  # at which the connections of `stuck` surely stood there


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the tables hold exactly these."""
    events, hist = table("accept").to_pylist(), table("accept_hist").to_pylist()
    waiting = table("accept_waiting").to_pylist()
    for name in ("slow", "slow6"):
        _slow([r for r in events if r["local_port"] == facts[name]["port"]], facts, facts[name])
    for name in ("slow", "slow6", "quick"):
        counts = [r for r in hist if r["local_port"] == facts[name]["port"]]
        assert sum(r["accepts"] for r in counts) == PLANTED
        assert {r["netns"] for r in counts} == {facts["netns"]}
        slots: Counter[int] = Counter()
        for row in counts:
            slots[row["wait_ns"]] += row["accepts"]
        taken = [r for r in events if r["local_port"] == facts[name]["port"] and r["event"] == "accepted"]
        assert slots == Counter(slot(r["wait_ns"]) for r in taken)
        if name != "quick":
            assert sum(r["wait_sum_ns"] for r in counts) >= PLANTED * facts["slow_ns"]
            assert max(r["longest_wait_ns"] for r in counts) >= facts["slow_ns"]
            assert max(r["queue_peak"] for r in counts) == PLANTED - 1
    gone = [r for r in events if r["local_port"] == facts["gone"]["port"]]
    assert sorted(r["remote_port"] for r in gone) == facts["gone"]["peers"]
    assert {(r["event"], r["tgid"], r["comm"]) for r in gone} == {("gone", None, None)}
    _full([r for r in events if r["local_port"] == facts["full"]["port"]], facts)
    _stuck([r for r in waiting if r["local_port"] == facts["stuck"]["port"]], facts)
    for name in ("slow", "slow6", "quick", "gone"):
        last = max(r["ts_ns"] for r in waiting)
        assert not [r for r in waiting if r["local_port"] == facts[name]["port"] and r["ts_ns"] == last]


def _slow(rows: list[dict[str, Any]], facts: dict[str, Any], planted: dict[str, Any]) -> None:
    assert sorted(r["remote_port"] for r in rows) == planted["peers"]
    assert {(r["event"], r["tgid"], r["netns"]) for r in rows} == {("accepted", planted["pid"], facts["netns"])}
    assert {(r["local_ip"], r["remote_ip"]) for r in rows} == {(planted["ip"], planted["ip"])}
    assert all(facts["slow_ns"] <= r["wait_ns"] < 20 * facts["slow_ns"] for r in rows)
    assert sorted(r["queue_length"] for r in rows) == list(range(PLANTED))
    assert {r["queue_limit"] for r in rows} == {64}
    assert all(r["comm"].startswith("python3") and r["start_ns"] > 0 for r in rows)


def _full(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    planted = facts["full"]
    for event in ("overflow", "stalled"):
        mine = [r for r in rows if r["event"] == event]
        wanted = planted["peers"] if event == "stalled" or facts["tells_overflow"] else []
        assert sorted({r["remote_port"] for r in mine}) == wanted, event
        assert {(r["queue_length"], r["queue_limit"]) for r in mine} <= {(planted["length"], planted["limit"])}
        assert {(r["tgid"], r["wait_ns"], r["local_ip"], r["remote_ip"]) for r in mine} <= {
            (None, None, "127.0.0.1", "127.0.0.1")
        }


def _stuck(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    readings: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        readings.setdefault(row["ts_ns"], []).append(row)
    complete = [r for r in readings.values() if sorted(c["remote_port"] for c in r) == facts["stuck"]["peers"]]
    assert len(complete) >= READINGS
    oldest = max(row["ts_ns"] - row["since_ns"] for row in rows)
    assert 1_000_000_000 < oldest < 60_000_000_000
    assert {(r["local_ip"], r["remote_ip"], r["netns"]) for r in rows} == {("127.0.0.1", "127.0.0.1", facts["netns"])}
