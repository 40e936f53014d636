"""The classic alarms over a minute: load with pauses, which no alarm over seconds calls trouble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_node import PROBES, START, S, World

from santabpf.replay import replay

MIB = 1 << 20
SHOP = "/shop"


def busy(seconds: int, shares: tuple[float, float]) -> World:
    """Two CPUs of which one process takes these shares in turn."""
    world = World(seconds)
    for second in range(seconds):
        world.uses_cpu(world.init, second, second + 1, round(2000 * shares[second % 2]))
    world.batches()
    for row in world.rows["metrics"]:
        row["cpu_idle_ns"] = 2 * S - row["cpu_user_ns"]
        row["cpu_iowait_ns"] = 0
    return world


def full(seconds: int, shares: tuple[float, float]) -> World:
    """A cgroup that holds these shares of what it may have in turn."""
    world = World(seconds, probes=(*PROBES, "cgroup_metrics"))
    shop = world.lives("shop", parent=world.init, cgroup=SHOP)
    world.uses_cpu(shop, 0, seconds, 10)
    world.batches()
    for row in world.rows["metrics"]:
        row |= {"mem_total_bytes": 8192 * MIB, "mem_available_bytes": 6000 * MIB, "mem_free_bytes": 5000 * MIB}
    world.rows["cgroup_metrics"] = [
        {
            "ts_ns": START + (second + 1) * S,
            "span_ns": S,
            "cgroup": SHOP,
            "memory_bytes": round(1000 * shares[second % 2]) * MIB,
            "memory_cache_bytes": 0,
            "memory_limit_bytes": 1000 * MIB,
        }
        for second in range(seconds)
    ]
    return world


@pytest.mark.parametrize(
    ("scenario", "make", "shares", "below"),
    [("cpu_usage", busy, (1.0, 0.78), (1.0, 0.66)), ("memory_usage", full, (0.99, 0.85), (0.99, 0.79))],
)
def test_load_with_pauses_is_found_over_a_minute_and_not_before(
    scenario: str,
    make: Callable[[int, tuple[float, float]], World],
    shares: tuple[float, float],
    below: tuple[float, float],
    tmp_path: Path,
) -> None:
    result = replay(make(80, shares).write(tmp_path / "long"), [scenario])
    (verdict,) = result.verdicts
    (raised,) = result.alarms.itertuples()
    assert (verdict.state, raised.alarm) == ("fired", f"{scenario}_minute")
    after_s = (raised.from_ns - START) / S
    assert 50 <= after_s <= 60
    assert "in a row" not in verdict.to_text()

    assert replay(make(45, shares).write(tmp_path / "short"), [scenario]).verdicts[0].state == "quiet"
    assert replay(make(80, below).write(tmp_path / "below"), [scenario]).verdicts[0].state == "quiet"
