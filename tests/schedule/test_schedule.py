"""Schedules: files that the real readers of such files take, and that nobody else's file is mistaken for."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from crontab import CronTab

from santabpf.errors import BadUsage
from santabpf.schedule import Job, Kubernetes, Runner, jobs, remove, render, units, write

ROOT = Path(__file__).parents[2]
#: A folder whose name means something to systemd, cron, a shell and YAML.
HOSTILE = "it's 100% $HOME; \"x\": {y} \\n #z"


def job(kind: str = "daily", folder: Path = Path("/srv"), **more: Any) -> Job:
    return Job("night", kind, recordings=folder / "recordings", reports=folder / "reports", **more)  # type: ignore[arg-type]


def in_kubernetes(kind: str, **more: Any) -> Job:
    return dataclasses.replace(job(kind, Path("/data"), **more), kubernetes=Kubernetes("santabpf:1", "claim", "keys"))


KINDS = pytest.mark.parametrize("kind", ["daily", "folder"])


@KINDS
@pytest.mark.parametrize("name", ["plain", HOSTILE])
def test_systemd_takes_the_units(kind: str, name: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    made = write(job(kind, tmp_path / name, nodes=("local", "web-1")), "systemd", tmp_path / "units")
    assert [path.suffix for path in made.paths] == [".service", ".timer"]
    done = subprocess.run(["systemd-analyze", "verify", *made.paths], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("every", "calendar", "cron"), [
    ("1min", "*:0/1", "*/1 * * * *"), ("15min", "*:0/15", "*/15 * * * *"), ("30min", "*:0/30", "*/30 * * * *"),
    ("1h", "0/1:00", "0 */1 * * *"), ("6h", "0/6:00", "0 */6 * * *")])
def test_every_so_often_means_the_same_to_both(every: str, calendar: str, cron: str) -> None:
    asked = job("folder", every=every)
    assert asked.on_calendar == f"*-*-* {calendar}:00"
    assert asked.cron == cron
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "calendar", asked.on_calendar], capture_output=True, check=True)


@KINDS
def test_a_crontab_parser_takes_the_line_and_a_shell_runs_just_the_commands(kind: str, tmp_path: Path) -> None:
    asked = job(kind, tmp_path / HOSTILE, at="6:30", every="20min", nodes=("web-1", "it's"))
    (path,) = write(asked, "cron", tmp_path / "cron").paths
    assert path.name.replace("-", "").isalnum(), "cron leaves out files with a dot in their name"
    (line,) = CronTab(tabfile=str(path), user=False)
    assert line.is_valid()
    assert str(line.slices) == asked.cron
    assert line.user == "root" if os.geteuid() == 0 else line.user
    program = tmp_path / "told"
    program.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done >> "$TOLD"; exit "$CODE"\n')
    program.chmod(0o755)
    command = path.read_text().splitlines()[-1].split(maxsplit=6)[6]  # what cron takes: the parser ends it at a #
    command = command.replace("\\%", "%").replace(f"{sys.executable} -m santabpf", shlex.quote(str(program)))
    wanted = [word for argv in asked.commands([]) for word in argv]
    for code, ends in ((0, 0), (3, 0), (4, 0), (1, 1)):
        told = tmp_path / f"told-{code}"
        env = os.environ | {"TOLD": str(told), "CODE": str(code)}
        assert subprocess.run(["/bin/sh", "-c", command], env=env).returncode == ends
        assert told.read_text().splitlines() == (wanted if code == 0 or kind == "folder" else wanted[: len(
            asked.commands([])[0])])


@KINDS
@pytest.mark.parametrize("nodes", [("local",), ("web-1",)])
def test_kubernetes_takes_the_cronjob_strictly(kind: str, nodes: tuple[str, ...]) -> None:
    (text,) = render(in_kubernetes(kind, nodes=nodes), "kubernetes").values()
    manifest = yaml.safe_load(text)
    kubernetes_validate.validate(manifest, "1.31", strict=True)
    spec = manifest["spec"]
    assert (spec["concurrencyPolicy"], spec["jobTemplate"]["spec"]["backoffLimit"]) == ("Forbid", 0)
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"].get("privileged", False) is (kind == "daily" and nodes == ("local",))
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert all(any(env[name].startswith(place) for place in mounts) for name in
               ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest | {"spec": spec | {"scheduel": ""}}, "1.31", strict=True)


def test_hostile_names_stay_names_in_yaml() -> None:
    hostile = dataclasses.replace(in_kubernetes("folder"), recordings=f"/data/{HOSTILE}", kubernetes=Kubernetes(
        HOSTILE, HOSTILE))
    (text,) = render(hostile, "kubernetes").values()
    pod = yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == HOSTILE
    assert shlex.split(pod["containers"][0]["args"][0].split(";  code")[0])[3] == f"/data/{HOSTILE}"


@pytest.mark.parametrize("runner", ["systemd", "cron", "kubernetes"])
def test_written_twice_it_is_unchanged_and_listed_once_and_then_removed(runner: Runner, tmp_path: Path) -> None:
    asked = in_kubernetes("daily") if runner == "kubernetes" else job("daily", tmp_path)
    folder = tmp_path / "there"
    first, again = write(asked, runner, folder), write(asked, runner, folder)
    assert first.changed == first.paths
    assert again.changed == ()
    later = write(dataclasses.replace(asked, at="07:00"), runner, folder)
    assert later.changed
    (found,) = jobs([folder])
    assert (found.name, found.kind, found.runner, found.when) == ("night", "daily", runner, "every day at 07:00")
    assert set(found.paths) == set(first.paths)
    assert not any(units.is_live(path) for path in first.paths)
    assert set(remove("night", [folder])) == set(first.paths)
    assert list(folder.iterdir()) == []


def test_what_is_not_ours_is_neither_listed_nor_removed_nor_written_over(tmp_path: Path) -> None:
    theirs = {
        "santabpf-mine": "# a job of mine\n", "santabpf-night": "* * * * * root true\n",
        "santabpf-broken": "# santabpf schedule: {", "santabpf-list": "# santabpf schedule: []\n",
        "santabpf-odd": '# santabpf schedule: {"name": 3, "kind": 1, "runner": []}\n',
        "santabpf-bytes": "\udcff\udcfe",
    }  # fmt: skip
    for name, text in theirs.items():
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "santabpf-link").symlink_to("/etc/passwd")
    assert jobs([tmp_path]) == []
    with pytest.raises(BadUsage, match="there is no job 'mine'"):
        remove("mine", [tmp_path])
    with pytest.raises(BadUsage, match="did not write it"):
        write(job("daily", tmp_path), "cron", tmp_path)
    assert (tmp_path / "santabpf-night").read_text() == theirs["santabpf-night"]
    write(dataclasses.replace(job("daily", tmp_path), name="nights"), "cron", tmp_path)
    with pytest.raises(BadUsage, match="did you mean 'nights'"):
        remove("nigths", [tmp_path])


@pytest.mark.parametrize(("wrong", "why"), [
    ({"name": "../x"}, "small letters"), ({"name": ""}, "small letters"), ({"name": "a" * 44}, "small letters"),
    ({"at": "25:00"}, "time of day"), ({"duration": "soon"}, "not a duration"), ({"duration": "1d"}, "12 h at most"),
    ({"kind": "folder", "every": "7min"}, "part of an hour"), ({"kind": "folder", "every": "0"}, "part of an hour"),
    ({"reports": "relative"}, "absolute"), ({"nodes": ["a\nExecStart=/bin/true"]}, "control characters"),
    ({"recordings": "/x\n* * * * * root true"}, "control characters")])
def test_what_no_scheduler_would_take_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(BadUsage, match=why):
        dataclasses.replace(job(), **wrong)


def test_a_cronjob_without_an_image_is_refused() -> None:
    with pytest.raises(BadUsage, match="--image"):
        render(job(), "kubernetes")


def santabpf(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "santabpf", "schedule", *map(str, args)], capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_the_command_line_shows_writes_lists_and_removes(tmp_path: Path) -> None:
    places = ["--recordings", tmp_path / "in", "--reports", tmp_path / "out"]
    units_there = tmp_path / "units"
    dry = santabpf("daily", "night", *places, "--to", units_there, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "OnCalendar=*-*-* 06:00:00" in dry.stdout
    assert list(tmp_path.iterdir()) == []
    assert santabpf("daily", "night", *places, "--to", units_there).returncode == 0
    assert json.loads(santabpf("daily", "night", *places, "--to", units_there, "--json").stdout)["changed"] == []
    listed = json.loads(santabpf("list", "--to", units_there, "--json").stdout)
    assert [row["name"] for row in listed] == ["night"]
    assert santabpf("remove", "night", "--to", units_there, "--dry-run").stdout.count("would delete") == 2
    assert santabpf("remove", "night", "--to", units_there).stdout.count("deleted") == 2
    assert santabpf("list", "--to", units_there).stdout.startswith("There are no jobs.")
    assert santabpf("remove", "night", "--to", units_there).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "units"]
