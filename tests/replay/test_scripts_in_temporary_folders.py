"""Privilege escalation: a script in a temporary folder is told by its own name, not by its interpreter's."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_node import MS, PROBES, START, S, World

from santabpf.replay import replay

SCENARIO = "privilege_escalation"


@pytest.mark.parametrize(
    ("what", "detail", "told"),
    [("/usr/bin/dash", "/tmp/x/job", "/tmp/x/job"), ("/tmp/x/tool", "./tool", "/tmp/x/tool")],
)
def test_what_lies_in_the_folder_is_what_is_told(what: str, detail: str, told: str, tmp_path: Path) -> None:
    world = World(20, probes=(*PROBES, "security"))
    server = world.lives("apache2")
    job = world.run(server, [told], at=8, life_ms=500, cpu_ms=1)
    world.rows["security"].append({
        "ts_ns": START + 8 * S + MS // 2, "start_ns": job.start_ns, "pstart_ns": server.start_ns,
        "tgid": job.tgid, "tid": job.tgid, "ptgid": server.tgid, "uid": 65534, "euid": 65534,
        "action": "exec_temporary", "comm": job.comm, "pcomm": server.comm,
        "what": what, "detail": detail, "cgroup": "/system.slice/x.service",
    })  # fmt: skip
    (verdict,) = replay(world.write(tmp_path / "r"), [SCENARIO]).verdicts
    assert verdict.state == "fired"
    assert verdict.culprit is not None
    assert verdict.culprit.file == told
    assert f"Keep {told} as evidence" in verdict.to_text()
