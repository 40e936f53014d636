"""Each planted request is one row of its process; failed ones have their error; the histogram counts them. What a limit
held back shows in what the reader waited, and not in what the device took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from ..slots import slot

SPEC = "block_io:min_total_ns=0"
PLANTED = 23
PARTIAL = {"6.1": "block_io_start"}


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("block_io").to_pylist()
    read = [row for row in rows if row["tgid"] == facts["reader"] and row["data_bytes"] == facts["data_bytes"]]
    assert facts["read_errors"] == [0] * 23
    assert len(read) == len({row["sector"] for row in read}) == 23
    for row in read:
        assert (row["comm"], row["op"], row["is_failed"], row["error"]) == ("santa-mover", "read", False, 0)
        assert not row["by_kernel"]
        assert row["device_ns"] > 0
        assert row["queue_ns"] >= 0
    wrong = [row for row in rows if row["disk"] == facts["full_disk"] and row["tgid"] == facts["writer"]]
    assert [row["error"] for row in wrong] == facts["write_errors"]
    assert [(row["op"], row["is_failed"]) for row in wrong] == [("write", True)] * 23
    counted = [row for row in table("block_io_hist").to_pylist() if row["disk"] == facts["full_disk"] and row["failed"]]
    assert {row["op"] for row in counted} == {"write"}
    for name, value in {"requests": 23, "failed": 23, "data_bytes": 23 * facts["data_bytes"]}.items():
        assert sum(row[name] for row in counted) == value, name
    for disk in (facts["full_disk"], facts["limited"]["disk"]):  # every request is a row, and in the slot of its time
        slots: Counter[tuple[str, int]] = Counter()
        for row in table("block_io_hist").to_pylist():
            if row["disk"] == disk:
                slots[row["op"], row["device_ns"]] += row["requests"]
        assert sum(slots.values()) >= PLANTED
        assert slots == Counter((row["op"], slot(row["device_ns"])) for row in rows if row["disk"] == disk)
    _held_back(table, facts["limited"], facts["data_bytes"])


def _held_back(table: Callable[[str], pa.Table], planted: dict[str, Any], size: int) -> None:
    done = {at * (size + 4096) // 512: told for at, told in enumerate(planted["done"])}
    took = {sector: ns for sector, (error, ns, _) in done.items() if not error}
    assert len(took) == PLANTED
    assert sum(took.values()) > 0.7e9 * PLANTED / planted["a_second"]
    whose = {"disk": planted["disk"], "data_bytes": size, "op": "read"}
    rows = [r for r in table("block_io").to_pylist() if whose.items() <= r.items()]
    assert sorted(r["sector"] for r in rows) == sorted(took)
    held = {r["sector"] for r in rows if r["throttled"]}
    assert len(held) > PLANTED // 4  # the limit counts in steps of 100 ms or more, and lets some pass in each
    for r in rows:
        known = (r["tgid"], r["comm"], r["queue_ns"] is None)
        assert known == ((None, "", True) if r["throttled"] else (planted["pid"], "santa-mover", False))
        assert (r["is_failed"], r["by_kernel"]) == (False, False)
    waits = [r for r in table("block_io_waits").to_pylist() if r["tgid"] == planted["pid"] and r["data_bytes"] == size]
    assert len({r["sector"] for r in waits}) == len(waits)
    slept = {sector for sector, (_, _, sleeps) in done.items() if sleeps}
    assert len(slept & held) > PLANTED // 4  # on a slow node a request may be over before its thread comes to sleep
    assert {r["sector"] for r in waits} >= slept & held
    for r in waits:
        assert r["waited_ns"] <= took[r["sector"]]
        assert (r["tid"], r["comm"], r["disk"], r["op"]) == (planted["pid"], "santa-mover", planted["disk"], "read")
        assert (r["error"], r["is_failed"], r["cgroup"]) == (0, False, planted["cgroup"])
        assert r["throttled"] == (r["sector"] in held) == (r["queue_ns"] is None)
    waited = sum(r["waited_ns"] for r in waits)
    assert waited > sum(took.values()) / 2
    assert waited > 5 * sum(r["device_ns"] for r in rows if r["throttled"])
