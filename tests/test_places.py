"""Probes and scenarios of one's own: found by --path and by the environment, and visible where they replace others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from santabpf import places
from santabpf.errors import BadUsage
from santabpf.probes import SETS, all_probes
from santabpf.record import select

ROOT = Path(__file__).parents[1]


def santabpf(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "santabpf", *map(str, args)], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a probe that replaces runq, and a scenario of its own."""
    shutil.copytree(ROOT / "santabpf" / "probes" / "runq", tmp_path / "probes" / "runq")
    yaml = tmp_path / "probes" / "runq" / "probe.yaml"
    yaml.write_text(yaml.read_text().replace("summary: ", "summary: Our own. "))
    shutil.copytree(ROOT / "scenarios" / "short_lived_jobs", tmp_path / "scenarios" / "our_jobs")
    yaml = tmp_path / "scenarios" / "our_jobs" / "scenario.yaml"
    yaml.write_text(yaml.read_text().replace("name: short_lived_jobs", "name: our_jobs"))
    return tmp_path


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_a_folder_given_by_path_adds_and_replaces_and_both_are_seen(place: Path) -> None:
    probes = rows(santabpf("--path", place, "probes", "--json"))
    assert probes["runq"]["summary"].startswith("Our own.")
    assert probes["runq"]["source"] == f"{place}/probes/runq (instead of the one that ships)"
    assert probes["exec"]["source"] == ""
    scenarios = rows(santabpf("--path", place, "scenarios", "--json"))
    assert scenarios["our_jobs"]["source"] == f"{place}/scenarios/our_jobs"
    told = santabpf("--path", place, "probes")
    assert "instead of the one that ships" in told.stdout
    assert told.stderr == f"santabpf: probe runq is that of {place}/probes/runq, not the one that ships\n"


def test_the_environment_names_folders_too(place: Path) -> None:
    assert "our_jobs" in rows(santabpf("scenarios", "--json", SANTABPF_PATH=str(place)))
    assert "our_jobs" not in rows(santabpf("scenarios", "--json"))


def test_a_scenario_of_ones_own_judges_a_recording(place: Path) -> None:
    done = santabpf("--path", place, "replay", ROOT / "recordings" / "short_lived_jobs", "-s", "our_jobs", "--json")
    (verdict,) = json.loads(done.stdout)["verdicts"]
    assert (verdict["scenario"]["name"] if isinstance(verdict["scenario"], dict) else verdict["scenario"]) == "our_jobs"
    assert (verdict["state"], done.returncode) == ("fired", 3)


def installed(scenarios: Path, site: Path) -> Path:
    """A package with these scenarios, as pip would put it there; its folder."""
    package, meta = site / "their_santa", site / "their_santa-1.dist-info"
    shutil.copytree(scenarios, package / "scenarios")
    (package / "__init__.py").write_text("raise SystemExit('its code is not to be run')")
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: their-santa\nVersion: 1\n")
    (meta / "entry_points.txt").write_text(f"[{places.GROUP}]\ntheirs = their_santa\n")
    return package


def test_an_installed_package_brings_its_own(place: Path, tmp_path: Path) -> None:
    package = installed(place / "scenarios", tmp_path / "site")
    found = rows(santabpf("scenarios", "--json", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path / 'site'}"))
    assert found["our_jobs"]["source"] == f"{package}/scenarios/our_jobs"


@pytest.mark.parametrize("route", ["--path", "environment", "package"])
def test_whose_scenario_judges_instead_of_one_that_ships_is_told_by_the_command_and_by_the_verdict(
    tmp_path: Path, route: str
) -> None:
    place = tmp_path / "ours"
    shutil.copytree(ROOT / "scenarios" / "short_lived_jobs", place / "scenarios" / "short_lived_jobs")
    yaml = place / "scenarios" / "short_lived_jobs" / "scenario.yaml"
    yaml.write_text(yaml.read_text().replace("title: ", "title: Our own ", 1))
    options, environment = [], {}
    match route:
        case "--path":
            options = ["--path", place]
        case "environment":
            environment = {places.ENVIRONMENT: str(place)}
        case _:
            place = installed(place / "scenarios", tmp_path / "site")
            environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path / 'site'}"}
    arguments = [*options, "replay", ROOT / "recordings" / "short_lived_jobs", "-s", "short_lived_jobs"]
    told, body = santabpf(*arguments, **environment), santabpf(*arguments, "--json", **environment)
    assert told.stderr == body.stderr == (
        f"santabpf: scenario short_lived_jobs is that of {place}/scenarios/short_lived_jobs, not the one that ships\n"
    )
    (verdict,) = json.loads(body.stdout)["verdicts"]
    assert verdict["inputs"]["scenario_origin"] == "replaced"
    sha256 = verdict["inputs"]["scenario_sha256"][:12]
    assert f"Judged by another short_lived_jobs (sha256 {sha256}) than the one that ships" in told.stdout
    assert str(tmp_path) not in told.stdout + body.stdout


def test_the_postmortem_says_whose_scenario_judged_and_not_where_it_lies(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    judged = ["-s", "our_jobs", "-s", "short_lived_jobs"]
    done = santabpf("--path", place, "report", ROOT / "recordings" / "quiet_idle", *judged, "-o", page)
    assert done.returncode == 0, done.stderr
    sentence = "Judged by our_jobs (sha256 "
    told = page.read_text()
    assert told.count(sentence) >= 2, "in the receipt, and in the foot of the page"
    assert "Judged by short_lived_jobs" not in told
    assert str(place) not in told


def test_a_copy_of_what_ships_is_what_ships(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios" / "short_lived_jobs", tmp_path / "short_lived_jobs")
    yaml = tmp_path / "short_lived_jobs" / "scenario.yaml"
    assert places.origin("scenarios", yaml) == "shipped"
    yaml.write_text(yaml.read_text() + "# and a word")
    assert places.origin("scenarios", yaml) == "replaced"
    (tmp_path / "short_lived_jobs").rename(tmp_path / "jobs")
    assert places.origin("scenarios", tmp_path / "jobs" / "scenario.yaml") == "own"


def test_a_folder_with_neither_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="neither a probes/ nor a scenarios/"):
        places.add([tmp_path])
    done = santabpf("--path", tmp_path, "probes")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_recorded_by_its_name(name: str) -> None:
    chosen = {probe.name for probe, _ in select([], [name])}
    assert {"processes", "exec", "exit"} <= chosen  # who was there, came, went, and in which container
    assert chosen == ({p.name for p in all_probes().values() if name in p.sets} or set(all_probes()))


def test_a_probe_named_beside_its_set_keeps_its_parameters() -> None:
    chosen = {probe.name: params for probe, params in select([], ["default", "runq:min_wait_ns=5"])}
    assert chosen["runq"] == {"min_wait_ns": 5}
    with pytest.raises(BadUsage, match="takes no parameters"):
        select([], ["default:min_wait_ns=5"])
