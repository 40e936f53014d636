"""The pages of docs/ that tell how to do something are followed here, word by word; what is generated is up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from following import ROOT, follow

from santabpf.catalogue import reference

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


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

    told = follow(page("add-a-probe.md"), tmp_path, with_a_rename)
    assert any("Each thread that changed its name." in words for words in told)
    assert re.search(r"\d+ +before-name +planted-name", told[-1]), told[-1]


def test_a_scenario_is_added_as_the_page_says_and_then_an_alarm(tmp_path: Path) -> None:
    told = follow(page("add-a-scenario.md").partition("## 4. ")[0], tmp_path)
    assert told[-2].split("\n")[1].startswith("FIRED: A program fails again and again")
    assert "billing-service failed" in told[-2]
    assert told[-1].split("\n")[1].startswith("quiet: ")
    told = follow(page("add-an-alarm.md"), tmp_path)
    verdict = json.loads(told[1].split("\n", 1)[1])["verdicts"][0]
    assert (verdict["state"], verdict["detected"]["alarm"]) == ("fired", "failing_hard")
    assert "knee" in told[-1]
    assert (tmp_path / "settings.html").exists()


@pytest.mark.bpf
def test_a_scenario_is_provoked_as_the_page_says_and_nothing_else_fires(tmp_path: Path) -> None:
    def without_replays(command: str) -> str:
        return command if re.match(r"(mkdir|chmod|santabpf --path mine (drill|gym)) ", command) else ":"

    *_, drilled, gym = follow(page("add-a-scenario.md"), tmp_path, without_replays, may_exit=(0,))
    assert "drill failing_jobs, import: fired, as it must be" in drilled
    assert "nightly-import failed " in drilled
    assert (tmp_path / "mine" / "failing_jobs" / "recording.json").is_file()
    runs = re.findall(r"^run 1 of 1, drill \d of 2: failing_jobs, (\w+): (\w+)", gym, re.MULTILINE)
    assert runs == [("import", "fired"), ("succeeds", "quiet")], gym
    assert "WRONG" not in gym


def test_reports_are_scheduled_as_the_page_says(tmp_path: Path) -> None:
    daily, every, listed = follow(page("schedule.md"), tmp_path)
    assert "OnCalendar=*-*-* 06:00:00" in daily
    assert "record -d 60s -p default --into /srv/recordings -- local" in daily
    assert "ExecStart=" in every
    assert "report --new /srv/recordings --into /srv/reports" in every
    assert listed.startswith("$ santabpf schedule list")
    assert list(tmp_path.iterdir()) == []


def headings(path: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them: small letters, no punctuation, a hyphen for each space."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    titles = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ +(.+?) *$", text, re.M))
    slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    return {slug + (f"-{slugs[:at].count(slug)}" if slug in slugs[:at] else "") for at, slug in enumerate(slugs)}


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))],
                         ids=lambda path: path.stem)
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), target
        assert not anchor or anchor in headings(page), f"{target} is no heading of {page.name}"


def test_the_reference_of_tables_is_what_the_yaml_says() -> None:
    assert page("tables.md") == reference(), "run: make docs"
