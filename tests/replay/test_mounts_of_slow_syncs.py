"""Slow syncs: the mount is named where it is known, and the device alone in recordings that do not know it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import MS, PROBES, START, S, World

from santabpf.replay import replay

SCENARIO = "slow_fsync"


@pytest.mark.parametrize(
    ("mount", "named", "told"),
    [
        ("/srv/db", "/srv/db (ext4 on vdb1, device 254:17)", "/journal on vdb1 (ext4, mounted on /srv/db) was on disk"),
        (None, "vdb1 (ext4, device 254:17)", "/journal on vdb1 was on disk"),
    ],
)
def test_the_mount_is_named_where_it_is_known(mount: str | None, named: str, told: str, tmp_path: Path) -> None:
    world = World(20, probes=(*PROBES, "file_io", "block_io"))
    database = world.lives("postgres")
    who = {"start_ns": database.start_ns, "tgid": database.tgid, "inode": 7, "major": 254, "minor": 17, "op": "fsync"}
    for at in range(5, 15):
        world.rows["file_io_slow"].append({
            **who, "ts_ns": START + at * S + 900 * MS, "took_ns": 800 * MS, "tid": database.tgid, "comm": database.comm,
            "device": "vdb1", "fs": "ext4", "name": "journal", "folder": "/", "mount": mount,
        })  # fmt: skip
    (verdict,) = replay(world.write(tmp_path / "r"), [SCENARIO]).verdicts
    assert verdict.state == "fired"
    assert verdict.culprit is not None
    assert verdict.culprit.mount == named
    assert told in " ".join(verdict.to_text().split())
