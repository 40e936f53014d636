"""The left wing for real: BPF on this kernel, through the local transport and through an sshd of our own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from on_the_node import Traces
from own_sshd import Sshd

import santabpf as sb
from santabpf.errors import BadUsage, CannotConnect, CannotRecord
from santabpf.recording import Writer

PLANTED = 23
#: 23 jobs with a mark of their own, so that whatever else runs here is not counted.
JOBS = 'i=0; while [ $i -lt 23 ]; do i=$((i+1)); /bin/sh -c "exit 3" "$1" "$i"; done; true'


def plant(mark: str) -> None:
    subprocess.run(["/bin/sh", "-c", JOBS, "planter", mark], check=True)


def once(*actions: Callable[[], object]) -> Callable[[Writer, int], None]:
    """A callback for record(on_second=...): acts when the first second is closed; all programs are on by then."""
    left = list(actions)

    def look(writer: Writer, closed_ns: int) -> None:
        while left:
            threading.Thread(target=left.pop()).start()

    return look


def planted(rec: sb.Recording, mark: str) -> list[tuple[int, int]]:
    rows = rec["exec"].arrow().to_pylist()
    return [(r["tgid"], r["start_ns"]) for r in rows if mark in (r["argv"] or []) and "exit 3" in r["argv"]]


@pytest.mark.bpf
@pytest.mark.ssh
def test_23_planted_execs_are_23_rows_over_ssh(sshd: Sshd, tmp_path: Path) -> None:
    mark = f"mark-{os.getpid()}"
    rec = sb.record(
        {"node-1": sshd.node}, probes=["exec", "exit", "fork"], duration="6s", out=tmp_path / "rec", progress=False,
        on_second=once(lambda: plant(mark)), **sshd.options,
    )  # fmt: skip
    assert rec.info["state"] == "complete"
    assert rec.nodes == ["node-1"]
    found = planted(rec, mark)
    assert len(found) == PLANTED
    ends = {(r["tgid"], r["start_ns"]): r for r in rec["exit"].arrow().to_pylist()}
    births = {(r["tgid"], r["start_ns"]): r for r in rec["fork"].arrow().to_pylist()}
    assert [ends[who]["code"] for who in found] == [3] * PLANTED
    assert len({births[who]["ptgid"] for who in found}) == 1
    assert "transport" in set(rec["receipt"].df()["part"])


@pytest.mark.bpf
def test_a_scope_leaves_everybody_else_out(tmp_path: Path) -> None:
    mark, other = f"mine-{os.getpid()}", f"other-{os.getpid()}"
    planter = subprocess.Popen(["/bin/sh", "-c", f"read go; {JOBS}", "planter", mark], stdin=subprocess.PIPE)
    rec = sb.record(
        probes=["exec", "exit", "process_cpu"], duration="6s", out=tmp_path / "rec", scope={"tree": planter.pid},
        progress=False, on_second=once(lambda: plant(other), lambda: planter.communicate(b"go\n")),
    )  # fmt: skip
    assert planter.wait() == 0
    assert len(planted(rec, mark)) == PLANTED
    assert planted(rec, other) == []


@pytest.mark.bpf
def test_stopping_early_keeps_what_came(tmp_path: Path) -> None:
    stop = threading.Event()
    rec = sb.record(
        probes=["exec"], duration=None, out=tmp_path / "rec", stop=stop, progress=False,
        on_start=lambda _: threading.Timer(4, stop.set).start(),
    )  # fmt: skip
    assert rec.info["state"] == "complete"
    assert rec["coverage"].rows > 0


@pytest.mark.bpf
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_keep_a_recording_and_leave_a_clean_node(
    number: signal.Signals, tmp_path: Path, traces: Traces
) -> None:
    out = str(tmp_path / "rec")
    command = [sys.executable, "-m", "santabpf", "record", "-p", "exec", "-d", "0", "-o", out, "--json"]
    santa = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):  # until it records, and 3 s more
        elves = traces.elves_below(santa.pid)
        if programs := traces.programs_of(elves):
            break
        time.sleep(0.1)
    time.sleep(3)
    assert elves
    assert programs
    santa.send_signal(number)
    out, err = santa.communicate(timeout=30)
    facts = json.loads(out)
    assert facts["state"] == "complete"
    assert "stopped by hand" in facts["notes"]
    assert "Traceback" not in err
    assert sb.open(tmp_path / "rec")["coverage"].rows > 0
    assert traces.wait_gone(elves, programs, 10) == (set(), set())


@pytest.mark.bpf
def test_ctrl_c_before_anything_came_leaves_no_folder(tmp_path: Path) -> None:
    def at_once(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sb.record(probes=["exec"], out=tmp_path / "rec", progress=False, on_start=at_once)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear")
    with pytest.raises(BadUsage, match="exists already"):
        sb.record(probes=["exec"], out=tmp_path, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.bpf
def test_a_node_that_cannot_be_recorded_leaves_no_folder_and_says_why_once(tmp_path: Path) -> None:
    with pytest.raises(CannotRecord, match=r"^local: there is no cgroup /nope \("):
        sb.record(probes=["exec"], scope={"cgroup": "/nope"}, out=tmp_path / "rec", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_refuses_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CannotConnect):
        sb.record(["127.0.0.1:1"], probes=["exec"], out=tmp_path / "rec", progress=False)
    assert list(tmp_path.iterdir()) == []
