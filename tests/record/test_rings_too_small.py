"""Rings that are too small for what happens: much is lost, that is told, and nobody is told that all is quiet."""

from __future__ import annotations

import importlib
import subprocess
from functools import partial
from pathlib import Path

import pytest

import santabpf as sb
from santabpf.probes.source import plan
from santabpf.scenarios import all_scenarios, load_scenario

#: Each 0.6 s, 150 children that have each used 2 ms of CPU end at once; a ring of 4 KiB keeps few of them.
BURSTS = """
import os, time
for end in iter(lambda: time.monotonic() + 0.6, None):
    ready, done = os.pipe(), os.pipe()
    for _ in range(150):
        if not os.fork():
            os.close(done[1])
            until = time.process_time() + 0.002
            while time.process_time() < until:
                pass
            os.write(ready[1], b".")
            os.read(done[0], 1)
            os._exit(0)
    waiting = 150
    while waiting:
        waiting -= len(os.read(ready[0], 150))
    for fd in (*ready, *done):
        os.close(fd)
    for _ in range(150):
        os.wait()
    time.sleep(max(0, end - time.monotonic()))
"""


@pytest.mark.bpf
def test_short_jobs_of_which_most_were_lost_are_not_called_quiet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.import_module("santabpf.record"), "make_plan", partial(plan, ring_bytes=4096))
    with subprocess.Popen(["/usr/bin/python3", "-c", BURSTS]) as bursts:
        try:
            made = sb.record(
                {"node-1": "local"}, ["short_lived_jobs"], duration="10s", out=tmp_path / "r", progress=False,
                scope={"tree": bursts.pid},
            )  # fmt: skip
        finally:
            bursts.kill()
    loss = made["loss"].df()
    assert loss[loss.table == "exit"].reserve_failed.sum() > 0, "the ring was not too small"
    kept = sb.replay(made, ["short_lived_jobs"]).signals
    course = kept[kept.signal == "short_cpu"].value.fillna(0)
    just_too_high = float(course.rolling(6).mean().max()) * 1.05
    scenario = load_scenario(all_scenarios()["short_lived_jobs"].folder, warn=just_too_high)
    (verdict,) = sb.replay(made, [scenario]).verdicts
    assert verdict.state == "cannot_tell", verdict.to_text()
    assert "rows of exit" in verdict.summary[0].text
    assert "were lost, and they could have raised the alarm" in verdict.summary[0].text
