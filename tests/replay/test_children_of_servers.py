"""Crash loop: what a server starts for each connection is no service that fails, but the server itself can be one."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import PROBES, World

from santabpf.replay import replay


@pytest.mark.parametrize(("parent", "state"), [("sshd", "quiet"), ("systemd", "fired")])
def test_an_end_of_a_connection_is_no_failure(parent: str, state: str, tmp_path: Path) -> None:
    world = World(20, probes=(*PROBES, "oom"))
    starter = world.init if parent == "systemd" else world.lives(parent)
    for turn in range(15):
        world.run(starter, ["/usr/sbin/sshd", "-D"], at=3 + turn, life_ms=200, cpu_ms=1, code=255)
    (verdict,) = replay(world.write(tmp_path / "r"), ["crash_loop"]).verdicts
    assert verdict.state == state
