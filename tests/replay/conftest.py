"""A small recording that many tests of replay ask."""

from __future__ import annotations

import pytest
from made_up_node import World

from santabpf.recording import Recording


@pytest.fixture(scope="session")
def world() -> World:
    """Twelve seconds of a node on which a wild script starts 23 shells a second, from second 3 to second 9."""
    made = World(12)
    cron = made.lives(
        "cron", tgid=400, parent=made.init, argv=["/usr/sbin/cron", "-f"], cgroup="system.slice/cron.service"
    )
    script = made.lives(
        "wild.sh", tgid=900, parent=cron, argv=["/bin/sh", "/opt/wild.sh"], cgroup="system.slice/cron.service"
    )
    for n in range(23 * 6):
        made.run(script, ["/bin/sh", "-c", "exit 3"], 3 + n / 23, 30, 25, code=3, cgroup="system.slice/cron.service")
    return made


@pytest.fixture(scope="session")
def recording(world: World, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same as a recording."""
    return world.write(tmp_path_factory.mktemp("replay") / "wild")
