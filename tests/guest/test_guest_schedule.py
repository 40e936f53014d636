"""Timers and services that `santabpf schedule` wrote, byte for byte, run by a systemd that is PID 1.

What they start is a stand-in at the path that stands in them: the workbench's Python packages do not fit on the guest's
disk. It notes how it was called and what it is allowed to do. (With the real one, on demand: schedule.py.)
"""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import tarfile

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


def put(guest: Guest, files: dict[str, str]) -> None:
    """Files onto the guest; those that are no units can be run."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o644 if "/systemd/" in path else 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    argv = ["ssh", "-F", str(guest.config), guest.node, "tar -xf - -C / --no-same-owner"]
    subprocess.run(argv, input=out.getvalue(), check=True)


def units(job: Job) -> dict[str, str]:
    """Where systemd looks for them, and what is written there."""
    return {f"/etc/systemd/system/{file}": text for file, text in render(job, "systemd").items()}


def said(guest: Guest) -> list[list[str]]:
    """What each run of the stand-in noted."""
    text = guest.ssh(f"cat {shlex.quote(ROOM)}/reports/told; rm {shlex.quote(ROOM)}/reports/told")
    return [run.splitlines() for run in text.split("end\n") if run]


def test_a_timer_starts_its_service_which_may_do_what_it_needs_and_no_more(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/santabpf/bin/python3")  # this one may lie where a service sees nothing
    places = {"recordings": f"{ROOM}/recordings", "reports": f"{ROOM}/reports"}
    each = Job("each", "folder", every="1min", **places)
    night = Job("night", "daily", nodes=("web-1", "local"), duration="5s", **places)
    stand_in = STAND_IN.replace('"$TOLD"', f"{shlex.quote(ROOM)}/reports/told")
    put(guest, {sys.executable: stand_in, "/srv/code": "3", f"{ROOM}/recordings/x": "", f"{ROOM}/reports/x": "",
                **units(each), **units(night)})
    complaints = "systemd-analyze verify /etc/systemd/system/santabpf-* 2>&1; systemctl daemon-reload"
    assert guest.ssh(complaints) == ""
    # a run that was missed is made up for at once, but for the few seconds by which machines are kept apart
    shown = "systemctl show santabpf-each.service -P"  # asked for while the timer keeps the unit loaded
    told = guest.ssh(
        "mkdir -p /var/lib/systemd/timers; touch -d '1 hour ago' /var/lib/systemd/timers/stamp-santabpf-each.timer; "
        "systemctl enable --now santabpf-each.timer 2> /dev/null; "
        f"until [ $({shown} ExecMainExitTimestampMonotonic) -gt 0 ]; do sleep 0.3; done; "
        f"{shown} Result; {shown} ExecMainStatus; systemctl disable --now santabpf-each.timer 2> /dev/null; "
        f"while [ $({shown} ActiveState) = activating ]; do sleep 0.3; done",
        timeout_s=180)
    assert told.split() == ["success", "3"], "that a scenario fired is no failure"
    runs = said(guest)  # more than one where a minute began meanwhile
    wanted = [*each.commands(["-m", "santabpf"])[0], "can write its own"]
    assert runs == [wanted] * max(1, len(runs))
    failed = "echo 1 > /srv/code; systemctl start santabpf-each.service 2> /dev/null; echo $?; " + f"{shown} Result"
    assert guest.ssh(failed).split() == ["1", "exit-code"]
    said(guest)
    guest.ssh("echo 4 > /srv/code; systemctl start santabpf-night.service")  # raises where that fails
    both = night.commands(["-m", "santabpf"])
    runs = said(guest)
    assert [run[: len(argv)] for run, argv in zip(runs, both, strict=True)] == both
    assert all("can write /etc" not in run and "sees the network" in run for run in runs)
    guest.ssh(f"rm -r /etc/systemd/system/santabpf-* /srv/* {sys.executable}; systemctl daemon-reload; "
              "systemctl reset-failed")
