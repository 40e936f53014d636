"""Reports that make themselves, as people get them: the real workbench under a systemd that is PID 1, a guest's.

There, from a disk with the workbench, `santabpf schedule` writes a job of each kind; one is started by its timer and
reports a bundled recording, the other records the guest with BPF and reports that; both are removed. What they left is
then judged here. It is said what holds, and how many seconds each took; the exit code is 0 where all holds.

    python tests/guest/schedule.py
"""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
from guest.image import KERNELS, image
from guest.machine import CPU_V2, Guest
from guest.workbench import PYTHON, ROOT, make_disk, why_not

import santabpf as sb
from santabpf import recording
from santabpf.report.index import INDEX, entries
from santabpf.shipped import shipped
from santabpf.verify import verify

BUNDLED = "short_lived_jobs"
SANTABPF = f"{ROOT}/bin/python3 -m santabpf"
PLACES = "--recordings /srv/recordings --reports /srv/reports"
UNITS = "/etc/systemd/system"
RUN_S = 3600  # that is when the job's own limit would end it
FIRED, QUIET, CANNOT_TELL = 3, 0, 4


class Ledger:
    """Says what holds and what took how long, as it comes. ok: whether all held until now."""

    def __init__(self) -> None:
        self.ok = True

    def check(self, what: str, holds: bool, seen: object = "") -> None:
        """One thing that must hold; what was seen is said where it does not."""
        self.ok &= holds
        print(f"        {'holds' if holds else 'DOES NOT HOLD'}: {what}{'' if holds else f': {seen}'}", flush=True)

    def took(self, seconds: float, what: str) -> None:
        """One thing that was measured."""
        print(f"{seconds:5.0f} s {what}", flush=True)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Measures what is done meanwhile."""
        started = time.monotonic()
        yield
        self.took(time.monotonic() - started, what)


def main() -> int:
    """Exit code 0 where all holds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # nothing is left behind then, either
    if why := why_not():
        print(why, file=sys.stderr)
        return 1
    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="santabpf-schedule-") as folder:
        disk, back = Path(folder) / "workbench.img", Path(folder) / "back"
        with ledger.timed("the workbench, compiled, on a disk"):
            make_disk(disk)
        booted = image(next(iter(KERNELS)))
        with ledger.timed("the guest boots"):
            guest = Guest(booted, [disk], CPU_V2)
        try:
            live(guest, ledger)
            copy_back(guest, back)
        finally:
            guest.close()
        judge(back, ledger)
    return 0 if ledger.ok else 1


def live(guest: Guest, ledger: Ledger) -> None:
    """The life of both jobs in the guest, from written to removed."""
    packages = f"{ROOT}/lib/python{PYTHON}/site-packages"
    stamps = "/var/lib/systemd/timers"
    guest.ssh(
        f"mkdir -p {ROOT} {stamps} /srv/recordings && mount -o ro /dev/vdb {ROOT} && "
        f"cp -r {packages}/santabpf/_shipped/recordings/{BUNDLED} /srv/recordings && "
        # a run was missed, so that the timer makes up for it at once; and no other is due for a quarter of an hour
        f"date -s 12:01 && touch -d '1 hour ago' {stamps}/stamp-santabpf-each.timer"
    )
    with ledger.timed("schedule daily night"):
        guest.ssh(f"{SANTABPF} schedule daily night -d 10s {PLACES}", 300)
    with ledger.timed("schedule folder each"):
        guest.ssh(f"{SANTABPF} schedule folder each --every 15min {PLACES}", 300)
    found = listed(guest)
    ledger.check("both are listed", [(job["name"], job["kind"]) for job in found]
                 == [("each", "folder"), ("night", "daily")], found)
    said = guest.ssh(f"systemd-analyze verify {UNITS}/santabpf-* 2>&1; true", 300)
    ledger.check("systemd-analyze verify has nothing to say", said == "", said)
    run(guest, ledger, "each", ["its report"], (FIRED,))
    removed(guest, ledger, "each")
    guest.ssh("systemctl start --no-block santabpf-night.service")
    run(guest, ledger, "night", ["its recording", "its report"], (FIRED, QUIET, CANNOT_TELL))
    removed(guest, ledger, "night")
    left = guest.ssh(f"find {UNITS} -name '*santabpf*'; systemctl list-timers --all --no-legend | grep santabpf; true")
    ledger.check("nothing of the jobs is left", left == "" and listed(guest) == [], left)


def listed(guest: Guest) -> list[dict[str, str]]:
    """What `santabpf schedule list` knows."""
    return list(json.loads(guest.ssh(f"{SANTABPF} schedule list --json", 300)))


def run(guest: Guest, ledger: Ledger, name: str, commands: list[str], codes: tuple[int, ...]) -> None:
    """Wait for a job's first run to end; a program `planted` is run each second meanwhile. Then, how it went."""
    show = f"systemctl show --timestamp=unix santabpf-{name}.service"
    guest.ssh(
        "cp /bin/true /tmp/planted; "
        f"until [ $({show} -P ExecMainExitTimestampMonotonic) -gt 0 ] && [ $({show} -P ActiveState) != activating ]; "
        "do /tmp/planted; sleep 1; done", RUN_S,
    )  # fmt: skip
    result = guest.ssh(f"{show} -P Result").strip()
    ended = re.findall(r"start_time=\[@(\d+)\].*stop_time=\[@(\d+)\].*status=(\d+)", guest.ssh(f"{show} -P ExecStart"))
    for what, (start, stop, _) in zip(commands, ended, strict=False):
        ledger.took(int(stop) - int(start), f"{name}: {what}")
    said = guest.ssh(f"journalctl -u santabpf-{name}.service -o cat")
    ledger.check(f"{name} ran and went well", result == "success" and len(ended) == len(commands)
                 and int(ended[-1][2]) in codes, f"{result}, {ended}: {said}")


def removed(guest: Guest, ledger: Ledger, name: str) -> None:
    """Take a job away."""
    with ledger.timed(f"schedule remove {name}"):
        guest.ssh(f"{SANTABPF} schedule remove {name}", 300)
    # a run that the timer began in that moment goes on to its end
    state = f"systemctl show santabpf-{name}.service -P ActiveState"
    guest.ssh(f"while [ $({state}) = activating ]; do sleep 1; done", RUN_S)
    units = f"santabpf-{name}.service santabpf-{name}.timer"
    states = guest.ssh(f"systemctl show {units} -P LoadState").split()
    ledger.check(f"{name} is gone", states == ["not-found", "not-found"], states)


def copy_back(guest: Guest, folder: Path) -> None:
    """The guest's recordings and reports."""
    argv = ["ssh", "-F", str(guest.config), guest.node, "tar -cf - -C /srv recordings reports"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")


def judge(back: Path, ledger: Ledger) -> None:
    """Whether the reports are whole and say what this workbench says of the same recordings."""
    ours = sb.open(shipped("recordings") / BUNDLED)
    new = [sb.open(path) for path in (back / "recordings").iterdir() if path.name != BUNDLED]
    index = back / "reports" / INDEX
    listed_here = index.read_text(encoding="utf-8") if index.exists() else ""
    pages = {entry.facts.recordings: entry for entry in entries(back / "reports")}
    ledger.check("there is one new recording, and a report for each",
                 len(new) == 1 and pages.keys() == {(rec.name,) for rec in (ours, *new)}, [new, *pages])
    for rec in (ours, *new):
        entry = pages.get((rec.name,))
        if entry is None:
            continue
        page = back / "reports" / entry.file
        whole = entry.facts.state != "failed" and page.read_text(encoding="utf-8").rstrip().endswith("</html>")
        ledger.check(f"the report of {rec.name} is whole, and in the index", whole and entry.file in listed_here, entry)
        checked = verify(page, rec)
        ledger.check(f"its verdicts are ours: {', '.join(f'{one.scenario} {one.state}' for one in checked)}",
                     all(one.holds for one in checked), checked)
        if drill := rec.info.get("drill"):
            states = [one.state for one in checked if one.scenario == drill["scenario"]]
            ledger.check("one of them is what that drill is known for", states == [drill["expected"]], states)
    for rec in new:
        problems = recording.verify(rec.path)
        ledger.check(f"{rec.name} is whole", not problems, problems)
        seen = rec["exec"].df()["comm"].value_counts()
        ledger.check(f"it saw {seen.sum()} programs start, planted ones among them", "planted" in seen, seen.to_dict())


if __name__ == "__main__":
    sys.exit(main())
