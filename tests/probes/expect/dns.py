"""What plant/dns.py asked: each name, its answer, and how long that took, or how it ended without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PLANTED = 23
AT_MOST_NS = 3_600_000_000_000  # all other plants come in between, on an emulated machine that others slow down too
READINGS = 2  # at which the questions of `stuck` surely stood there
V4, V6, NOBODY = "127.0.0.1", "::1", "127.0.0.2"


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts that the tables hold exactly these."""
    rows = [r for r in table("dns").to_pylist() if r["tgid"] in (facts["pid"], facts["killed"])]
    assert all(r["comm"].startswith("python3") and r["start_ns"] > 0 for r in rows)
    assert all(r["total_ns"] >= r["waited_ns"] > 0 for r in rows)
    names = facts["names"]

    def of(kind: str) -> list[dict[str, Any]]:
        return [r for r in rows if r["name"] in names[kind]]

    told = ("ended", "rcode", "answers", "qtype", "server_ip", "attempts", "is_truncated")
    for kind, first_id, wanted in (
        ("slow", 0, ("answered", 0, 1, 1, V4, 1, False)),
        ("none", 100, ("answered", 3, 0, 28, V6, 1, False)),
        ("loose", 200, ("answered", 0, 1, 1, V4, 1, False)),
        ("long", 300, ("answered", 0, 1, 1, V4, 1, True)),
        ("drop", 600, ("closed", None, None, 1, V4, 1, False)),
        ("nobody", 800, ("refused", None, None, 1, NOBODY, 1, False)),
    ):
        assert sorted(r["name"] for r in of(kind)) == sorted(names[kind]), kind
        assert {tuple(r[t] for t in told) for r in of(kind)} == {wanted}, kind
        assert {r["txid"] for r in of(kind)} == set(range(first_id, first_id + PLANTED)), kind
        assert {r["tgid"] for r in of(kind)} == {facts["pid"]}
    assert all(facts["slow_ns"] <= r["waited_ns"] < 20 * facts["slow_ns"] for r in of("slow"))
    assert all(r["waited_ns"] >= 190_000_000 for r in of("drop"))
    assert sorted((r["name"], r["qtype"], r["ended"]) for r in of("both")) == sorted(
        (name, kind, "answered") for name in names["both"] for kind in (1, 28)
    )
    again = sorted((r for r in rows if r["txid"] == 700), key=lambda r: int(r["ts_ns"]))
    assert [(r["ended"], r["attempts"], r["name"].split(".")[0]) for r in again] == [
        ("retried", 1, "drop-then-again"), ("replaced", 2, "drop-then-again"), ("answered", 1, "other"),
    ]  # fmt: skip
    assert again[1]["total_ns"] >= again[1]["waited_ns"] + 95_000_000
    (killed,) = [r for r in rows if r["tgid"] == facts["killed"]]
    assert (killed["name"], killed["ended"]) == ("drop-killed.planted.example", "exited")
    _stuck([r for r in table("dns_waiting").to_pylist() if r["tgid"] in (facts["pid"], facts["killed"])], facts)


def _stuck(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    readings: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        readings.setdefault(row["ts_ns"], []).append(row)
    wanted = sorted(facts["names"]["stuck"])
    assert sum(sorted(r["name"] for r in reading) == wanted for reading in readings.values()) >= READINGS
    stuck = [r for r in rows if r["name"] in wanted]
    assert {(r["fd"], r["server_ip"], r["qtype"], r["attempts"]) for r in stuck} == {(facts["stuck_fd"], V4, 1, 1)}
    assert 2_000_000_000 < max(r["ts_ns"] - r["since_ns"] for r in stuck) < AT_MOST_NS
