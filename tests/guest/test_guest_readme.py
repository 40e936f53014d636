"""README's "Five minutes to a postmortem of your own node", followed literally: only NODE and how long are put in.

`make demo`, its first step, has a test of its own. How `ssh NODE` gets there stands in ~/.ssh/config, as usual: a mount
that only the command sees lies over that folder.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from following import ROOT, follow
from guest.machine import Guest

import santabpf as sb
from santabpf.recording import verify

pytestmark = [pytest.mark.guest, pytest.mark.browser]
SECONDS = 20  # README leaves it to the reader
UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/srv/billing --port 8080
Restart=always
RestartSec=2
"""


@pytest.fixture
def billing(guest: Guest) -> Iterator[str]:
    """A service of the guest that fails whenever systemd has started it again; its name."""
    guest.ssh("printf '#!/bin/sh\\nexit 3\\n' > /srv/billing; chmod +x /srv/billing; "
              f"printf {shlex.quote(UNIT)} > /run/systemd/system/billing.service; systemctl start billing")
    yield "billing"
    guest.ssh("systemctl stop billing; rm /srv/billing /run/systemd/system/billing.service; systemctl daemon-reload; "
              "systemctl reset-failed")


@pytest.fixture
def ssh_folder(guest: Guest, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder with a configuration that knows the guest, and ~/.ssh, which it is to lie over."""
    mine, real = tmp_path / "ssh", Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh"
    mine.mkdir(mode=0o700)
    (mine / "config").write_text(guest.config.read_text())
    made = not real.exists()
    real.mkdir(mode=0o700, exist_ok=True)
    yield mine, real
    if made:
        real.rmdir()


def test_five_minutes_lead_to_a_postmortem_of_the_guest(
    guest: Guest, billing: str, ssh_folder: tuple[Path, Path], tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, section = readme.partition("\n## Five minutes to a postmortem of your own node\n")

    def on_the_guest(command: str) -> str:
        mount = "mount --bind " + shlex.join(map(str, ssh_folder))
        literal = re.sub(r"\bNODE\b", guest.node, command).replace(" -d 60s ", f" -d {SECONDS}s ")
        return f"exec unshare --mount sh -c {shlex.quote(f'{mount} && {literal}')}"

    checked, recorded, reported = follow(section.split("\n## ")[0], tmp_path, on_the_guest, may_exit=(0, 3, 4))

    recording = sb.open(tmp_path / "recordings" / "web-1-incident")
    assert (recording.state, recording.nodes, verify(recording.path)) == ("complete", ["guest"], [])
    assert f"{recording.path.relative_to(tmp_path)}  (complete; guest)" in recorded
    start, end = recording.window
    assert SECONDS - 1 <= (end - start) / 1e9 <= SECONDS + 2
    failed = f"SELECT count(*) AS n FROM exit WHERE comm = '{billing}' AND code = 3"
    assert recording.sql(failed)["n"][0] >= 3

    found = dict(re.findall(r"^\w+ +([\w ]+): (.*)$", checked, re.MULTILINE))
    assert found["connection"] == "SSH to guest"
    assert re.match(rf"Linux {re.escape(guest.kernel)}\..* on x86_64, 2 CPUs", found["kernel"])
    assert "\nguest can be recorded" in checked
    works = found["probes"].split(", ")
    for name, probe in recording.info["probes"].items():
        assert (name in works) == (probe["state"] == "on"), name
        assert name in works or probe["why"].removeprefix("guest: ") in found[f"probe {name}"], name

    page = tmp_path / "postmortem.html"
    assert "postmortem.html" in reported
    verdicts = {v["scenario"]: v for v in json.loads(page.with_suffix(".verdict.json").read_text())["verdicts"]}
    assert {v["node"] for v in verdicts.values()} == {"guest"}
    assert verdicts["crash_loop"]["state"] == "fired"
    assert billing in verdicts["crash_loop"]["summary"][0]["text"]
    shown = read_offline(page)
    assert 'data-santa="ready"' in shown
    assert verdicts["crash_loop"]["title"] in shown
    assert "/srv/billing" in shown
    assert "This report is not whole" not in shown


def read_offline(page: Path) -> str:
    """What Chromium makes of the page where there is no network at all."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--virtual-time-budget=60000"]
    argv = ["unshare", "--net", chromium, *flags, f"--user-data-dir={page.parent / 'chromium'}", "--dump-dom"]
    return subprocess.run([*argv, page.as_uri()], capture_output=True, text=True, check=True, timeout=120).stdout
