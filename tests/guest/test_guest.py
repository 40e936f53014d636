"""A second, different node for real: Debian's kernel, systemd, cgroup v2; reached over SSH."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from guest.machine import Guest

from santabpf import record, replay
from santabpf.errors import CannotContain
from santabpf.gym.contain import contain
from santabpf.recording import open as open_recording
from santabpf.transport import open_transport

pytestmark = pytest.mark.guest
SCENARIO = "short_lived_jobs"
LEFT = "find /sys/fs/cgroup -name 'santabpf*'; pgrep -a 'santabpf|supervise|minicron'; grep santabpf /proc/*/mountinfo"


def santabpf(guest: Guest, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "santabpf", *args, "--ssh-config", str(guest.config)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)


def left(guest: Guest) -> str:
    return guest.ssh(f"{LEFT}; true")


def test_an_idle_guest_is_quiet(guest: Guest, tmp_path: Path) -> None:
    recording = record(
        {"guest": guest.node}, [SCENARIO], duration="10s", out=tmp_path / "idle", progress=False, **guest.options
    )
    assert recording.info["state"] == "complete"
    (verdict,) = replay(recording, [SCENARIO]).verdicts
    assert verdict.state == "quiet", verdict.to_text()


def test_a_drill_fires_there_and_names_the_culprit_by_its_cgroup_of_version_2(guest: Guest, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    argv = ["drill", SCENARIO, "--variant", "cron", "--node", guest.node, "--yes", "--keep", str(kept)]
    done = santabpf(guest, *argv, "--seconds", "10", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.startswith(f"On {guest.node}, as root: short_lived_jobs, cron is provoked for 10 s")
    assert json.loads(done.stdout)["state"] == "fired"
    (verdict,) = replay(open_recording(kept), [SCENARIO]).verdicts
    words = verdict.to_text()
    assert "minicron" in words
    assert "cgroup: /santabpf-drill-" in words  # what is above it is not in what is shared
    assert left(guest) == ""


def test_nothing_is_left_there_when_the_connection_is_cut(guest: Guest, tmp_path: Path) -> None:
    script = tmp_path / "fault" / "fault.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nsetsid sleep 1000 & sleep 1000\n")
    with open_transport(guest.node, **guest.options) as transport, contain("fault", None, transport) as cell:
        started = cell.start(script)
        assert "santabpf-drill-" in left(guest)
        transport.close()
        assert started.wait(60).why == "the connection broke, and its guardian has ended it there"
        with pytest.raises(CannotContain):
            cell.start(script)
    guest.ssh("for i in $(seq 100); do [ -z \"$(find /sys/fs/cgroup -name 'santabpf*')\" ] && break; sleep 0.2; done")
    assert left(guest) == ""
