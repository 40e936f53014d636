"""Rings that are too small for what happens: much is lost, that is told, and nobody is told that all is quiet."""

from __future__ import annotations

import importlib
import subprocess
from functools import partial
from pathlib import Path

import pytest
from at_the_edge import edges

import santabpf as sb
from santabpf.probes.source import plan
from santabpf.scenarios import get_scenario

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


#: Each 0.6 s, 100 questions are answered at once, after 0.3 s.
QUESTIONS = """
import socket, time
at = ("127.77.0.53", 53)
planted = bytes.fromhex("0100 0001 0000 0000 0000 07706c616e746564 0474657374 00 0001 0001")
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(at)
for end in iter(lambda: time.monotonic() + 0.6, None):
    asked = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(100)]
    for n, one in enumerate(asked):
        one.connect(at)
        one.send(n.to_bytes(2, "big") + planted)
    time.sleep(0.3)
    for _ in asked:
        question, whom = server.recvfrom(512)
        server.sendto(question[:2] + bytes.fromhex("8183") + question[4:], whom)
    for one in asked:
        one.recv(512)
        one.close()
    time.sleep(max(0, end - time.monotonic()))
"""
#: Each 0.6 s, 100 connections are accepted at once, after 0.3 s.
CONNECTIONS = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0), backlog=200)
for end in iter(lambda: time.monotonic() + 0.6, None):
    clients = [socket.create_connection(listener.getsockname()) for _ in range(100)]
    time.sleep(0.3)
    served = [listener.accept()[0] for _ in clients]
    for one in (*clients, *served):
        one.close()
    time.sleep(max(0, end - time.monotonic()))
"""


@pytest.mark.bpf
@pytest.mark.parametrize(
    ("name", "table", "script"),
    [("short_lived_jobs", "exit", BURSTS), ("slow_dns", "dns", QUESTIONS), ("accept_queue", "accept", CONNECTIONS)],
)
def test_trouble_of_which_most_was_lost_is_not_called_quiet(
    name: str, table: str, script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.import_module("santabpf.record"), "make_plan", partial(plan, ring_bytes=4096))
    with subprocess.Popen(["/usr/bin/python3", "-c", script]) as trouble:
        try:
            made = sb.record(
                {"node-1": "local"}, [name], duration="10s", out=tmp_path / "r", progress=False,
                scope={"tree": trouble.pid},
            )  # fmt: skip
        finally:
            trouble.kill()
    loss = made["loss"].df()
    assert loss[loss.table == table].reserve_failed.sum() > 0, "the ring was not too small"
    scenario = get_scenario(name)
    just_too_high = [moved for moved, state in edges(scenario, made) if state == "quiet"]  # one for each alarm
    as_it_is, *at_the_edge = sb.replay(made, [scenario, *just_too_high]).verdicts
    assert as_it_is.state in ("fired", "cannot_tell"), as_it_is.to_text()
    assert len(at_the_edge) == len(scenario.alarms)
    for verdict in at_the_edge:
        assert verdict.state == "cannot_tell", verdict.to_text()
        assert f"rows of {table}" in verdict.summary[0].text
        assert "were lost, and they could have raised the alarm" in verdict.summary[0].text
