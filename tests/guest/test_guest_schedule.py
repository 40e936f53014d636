"""Timers and services that `santabpf schedule` wrote, byte for byte, run by a systemd that is PID 1.

What they start is a stand-in at the path that stands in them: the workbench's Python packages do not fit on the guest's
disk. It notes how it was called and what it is allowed to do.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from guest.machine import Guest

from santabpf.schedule import Job, render

pytestmark = pytest.mark.guest
ROOM = "/srv/it's 100% $HOME; \"x\""
STAND_IN = """\
#!/bin/sh
{
    printf '%s\\n' "$@"
    mkdir -p "$IPYTHONDIR" "$JUPYTER_RUNTIME_DIR" && touch "$HOME/x" && echo "can write its own"
    touch /etc/x 2> /dev/null && echo "can write /etc"
    touch /srv/x 2> /dev/null && echo "can write beside its reports"
    ip -o link | grep -qv ' lo:' && echo "sees the network"
    echo end
} >> "$TOLD"
case $* in *report*) exit "$(cat /srv/code)" ;; esac
"""


def put(guest: Guest, path: str, text: str) -> None:
    subprocess.run(["ssh", "-F", str(guest.config), guest.node, f"mkdir -p {shlex.quote(str(Path(path).parent))} && "
                    f"cat > {shlex.quote(path)} && chmod 755 {shlex.quote(path)}"], input=text, text=True, check=True)


def install(guest: Guest, kind: Any, name: str, **more: Any) -> Job:
    """A job's units on the guest, where systemd looks for them."""
    job = Job(name, kind, recordings=f"{ROOM}/recordings", reports=f"{ROOM}/reports", **more)
    for file, text in render(job, "systemd").items():
        put(guest, f"/etc/systemd/system/{file}", text)
    return job


def said(guest: Guest) -> list[list[str]]:
    """What each run of the stand-in noted."""
    text = guest.ssh(f"cat {shlex.quote(ROOM)}/reports/told; rm {shlex.quote(ROOM)}/reports/told")
    return [run.splitlines() for run in text.split("end\n") if run]


def test_a_timer_starts_its_service_which_may_do_what_it_needs_and_no_more(guest: Guest) -> None:
    put(guest, sys.executable, STAND_IN.replace('"$TOLD"', f"{shlex.quote(ROOM)}/reports/told"))
    guest.ssh(f"mkdir -p {shlex.quote(ROOM)}/recordings {shlex.quote(ROOM)}/reports; echo 3 > /srv/code")
    job = install(guest, "folder", "each", every="1min")
    assert guest.ssh("systemd-analyze verify /etc/systemd/system/santabpf-each.* 2>&1; systemctl daemon-reload") == ""
    # a run that was missed is made up for at once, but for the few seconds by which machines are kept apart
    guest.ssh("touch -d '1 hour ago' /var/lib/systemd/timers/stamp-santabpf-each.timer; "
              "systemctl enable --now santabpf-each.timer 2> /dev/null")
    ended = "systemctl show santabpf-each.service -P ExecMainExitTimestampMonotonic"
    guest.ssh(f"until [ $({ended}) -gt 0 ]; do sleep 0.3; done; systemctl stop santabpf-each.timer")
    (run,) = said(guest)
    assert run == [*job.commands(["-m", "santabpf"])[0], "can write its own"]
    assert state(guest, "each") == ["Result=success", "ExecMainStatus=3"], "that a scenario fired is no failure"
    guest.ssh("echo 1 > /srv/code; systemctl start santabpf-each.service; true")
    assert state(guest, "each") == ["Result=exit-code", "ExecMainStatus=1"]
    said(guest)
    job = install(guest, "daily", "night", nodes=("web-1", "local"), duration="5s")
    guest.ssh("echo 4 > /srv/code; systemctl daemon-reload; systemctl start santabpf-night.service")
    runs = said(guest)
    assert [run[: len(wanted)] for run, wanted in zip(runs, job.commands(["-m", "santabpf"]), strict=True)] == (
        job.commands(["-m", "santabpf"]))
    assert all("can write /etc" not in run and "sees the network" in run for run in runs)
    assert state(guest, "night")[0] == "Result=success"
    guest.ssh("systemctl disable --now santabpf-each.timer 2> /dev/null; rm -r /etc/systemd/system/santabpf-* /srv/*; "
              f"rm {sys.executable}; systemctl daemon-reload; systemctl reset-failed")


def state(guest: Guest, name: str) -> list[str]:
    shown = guest.ssh(f"systemctl show santabpf-{name}.service -p Result -p ExecMainStatus").split()
    return sorted(shown, reverse=True)
