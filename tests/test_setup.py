"""The way from a clone to a running suite: rules about Makefile, deploy/, .ci/run and requirements.lock."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK, APART = (
    [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    for name in ("requirements.lock", "requirements-scheduler.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = dict(PROJECT["project"]["optional-dependencies"])
SCHEDULER = EXTRAS.pop("scheduler")  # locked apart: it would add itself to each JupyterLab
WANTED = [*PROJECT["project"]["dependencies"], *(text for texts in EXTRAS.values() for text in texts),
          *PROJECT["build-system"]["requires"]]
SCRIPTS = sorted((ROOT / "deploy").glob("*.sh"))


def pinned(lock: list[str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lock)}


def needed(texts: list[str]) -> set[str]:
    """All packages that these requirements bring here, themselves too, by what is installed."""
    todo, found = [Requirement(text) for text in texts], set[tuple[str, str]]()
    while todo:
        wanted = todo.pop()
        for extra in ("", *wanted.extras):
            if (canonicalize_name(wanted.name), extra) in found:
                continue
            found.add((canonicalize_name(wanted.name), extra))
            for text in importlib.metadata.requires(wanted.name) or []:
                then = Requirement(text)
                if then.marker is None or then.marker.evaluate({"extra": extra}):
                    todo.append(then)
    return {name for name, _ in found}


@pytest.mark.parametrize("lock", [LOCK, APART], ids=["lock", "scheduler"])
def test_every_line_of_a_lock_pins_one_version_and_names_no_address(lock: list[str]) -> None:
    for line in lock:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.+!]*", line), line
    assert sorted(lock, key=str.lower) == lock
    assert len(pinned(lock)) == len(lock)


def test_the_locks_hold_all_that_the_project_asks_for_in_versions_that_fit() -> None:
    for texts, lock in ((WANTED, LOCK), (SCHEDULER, APART)):
        for wanted in map(Requirement, texts):
            assert pinned(lock)[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_the_locks_are_what_is_installed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (ROOT / ".venv").exists():
        pytest.skip("this suite runs in another environment than make's own")
    for name, version in pinned(LOCK).items():
        assert importlib.metadata.version(name) == version
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("jupyter-scheduler")
    monkeypatch.syspath_prepend(ROOT / ".venv" / "scheduler")
    for name, version in pinned(APART).items():
        assert importlib.metadata.version(name) == version
    assert set(pinned(APART)) == needed(SCHEDULER) - set(pinned(LOCK))


def test_the_lock_holds_all_that_somebody_asks_for_and_nothing_else() -> None:
    assert set(pinned(LOCK)) == needed([*WANTED, "hatchling", "editables"])


@pytest.mark.parametrize("path", [*SCRIPTS, ROOT / "Makefile", ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_nothing_names_a_registry_or_a_mirror(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://|index.url|find-links|trusted-host|--break-system-packages|curl |wget ", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_plain_sh_that_stops_at_the_first_failure(path: Path) -> None:
    assert path.read_text().startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in path.read_text()
    assert path.stat().st_mode & 0o100
    subprocess.run(["sh", "-n", path], check=True)


def test_ci_runs_the_suite_with_the_switch_that_turns_skips_into_failures() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    assert "SANTABPF_REQUIRE=1 make test\n" in text
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_make_alone_prints_every_target_with_its_help() -> None:
    said = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert {line.split()[1] for line in said.splitlines() if re.match(r"make [\w-]+ ", line)} == set(phony[1].split())


def test_the_demo_installs_bcc_and_nothing_else() -> None:
    text = (ROOT / "deploy" / "setup.sh").read_text()
    block = re.search(r"demo_packages\(\) \{\n    cat << 'END'\n(.*?)END", text, re.DOTALL)
    assert block is not None
    assert [line.split("|")[0] for line in block[1].splitlines()] == ["python3-bpfcc"]


def test_packages_are_installed_without_recommended_ones_and_with_a_policy_that_starts_no_service() -> None:
    text = (ROOT / "deploy" / "setup.sh").read_text()
    installs = re.findall(r"^.*\binstall --no-install-recommends \"\$@\".*$", text, re.MULTILINE)
    assert len(installs) == 1
    assert "exit 101" in text.split(installs[0])[0]
    assert not re.search(
        r"apt-get[^\n]*\binstall (?!--no-install-recommends)", text.replace("apt-get install python3-venv)", "")
    )


def test_an_unknown_level_is_refused() -> None:
    done = subprocess.run([ROOT / "deploy" / "setup.sh", "everything"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "setup: no level everything: python, demo or test\n")
