"""The pages of docs/ that tell how to do something are followed here, word by word; what is generated is up to date."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from santabpf.catalogue import reference

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: "`path`:" before a block makes it a file of that name; a block of sh is run
_BLOCK = re.compile(r"(?:^`(?P<file>[^`]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def follow(page: str, folder: Path, around: Callable[[str], str] = str) -> list[str]:
    """Write the files and run the commands of a page in a folder, in order; what each command printed."""
    out = []
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for block in _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
        if block["file"]:
            (folder / block["file"]).parent.mkdir(parents=True, exist_ok=True)
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "sh":
            for command in block["text"].replace("\\\n", " ").splitlines():
                done = subprocess.run(
                    ["sh", "-c", around(command)], cwd=folder, env=environment, capture_output=True, text=True
                )
                out.append(f"$ {command}\n{done.stdout}{done.stderr}")
                assert done.returncode in (0, 3), out[-1]
    return out


RENAMED = """
import ctypes, time
for turn in range(100):
    ctypes.CDLL(None).prctl(15, (b'before-name', b'planted-name')[turn % 2], 0, 0, 0)
    time.sleep(0.1)
"""


@pytest.mark.bpf
def test_a_probe_is_added_as_the_page_says_and_its_table_fills(tmp_path: Path) -> None:
    def with_a_rename(command: str) -> str:
        return f'/usr/bin/python3 -c "{RENAMED}" & {command}' if " record " in command else command

    told = follow("add-a-probe.md", tmp_path, with_a_rename)
    assert any("Each thread that changed its name." in words for words in told)
    assert re.search(r"\d+ +before-name +planted-name", told[-1]), told[-1]


def test_a_scenario_is_added_as_the_page_says_and_then_an_alarm(tmp_path: Path) -> None:
    told = follow("add-a-scenario.md", tmp_path)
    assert told[-2].split("\n")[1].startswith("FIRED: A program fails again and again")
    assert "billing-service failed" in told[-2]
    assert told[-1].split("\n")[1].startswith("quiet: ")
    for name in ("short_lived_jobs", "quiet_idle", "quiet_build"):
        (tmp_path / name).symlink_to(ROOT / "recordings" / name)
    told = follow("add-an-alarm.md", tmp_path)
    verdict = json.loads(told[1].split("\n", 1)[1])["verdicts"][0]
    assert (verdict["state"], verdict["detected"]["alarm"]) == ("fired", "failing_hard")
    assert "knee" in told[-1]
    assert (tmp_path / "settings.html").exists()


def test_reports_are_scheduled_as_the_page_says(tmp_path: Path) -> None:
    daily, every, listed = follow("schedule.md", tmp_path)
    assert "OnCalendar=*-*-* 06:00:00" in daily
    assert "record -d 60s -p default --into /srv/recordings -- local" in daily
    assert "ExecStart=" in every
    assert "report --new /srv/recordings --into /srv/reports" in every
    assert listed.startswith("$ santabpf schedule list")
    assert list(tmp_path.iterdir()) == []


def test_the_reference_of_tables_is_what_the_yaml_says() -> None:
    assert (DOCS / "tables.md").read_text(encoding="utf-8") == reference(), "run: make docs"
