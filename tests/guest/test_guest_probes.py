"""Every probe on other kernels: one recording of all that have a plant, each found again exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from guest.fixtures import Host
from guest.image import KERNELS
from guest.machine import Guest
from probes import plants

from santabpf.recording import verify

FIRST, *NEWER = KERNELS


def wanted(kernel: str) -> list[str]:
    """All probes on the first kernel; on newer ones, to save time, exec and those that the first can't give whole."""
    if kernel == FIRST:
        return plants.names()
    return [
        name for name in plants.names() if name == "exec" or FIRST in getattr(plants.expectation(name), "PARTIAL", {})
    ]


class Grown:
    """One recording for each kernel, made when it is first asked for; what fails to be made fails each time."""

    def __init__(self, folder: Path, host: Host) -> None:
        self._folder, self._host = folder, host
        self._made: dict[str, plants.Grown | BaseException] = {}
        self._check: subprocess.Popen[str] | None = None

    def on(self, kernel: str) -> plants.Grown:
        if kernel not in self._made:
            try:
                guest = self._host.guest(kernel)
                self._start_check(guest)
                out = self._folder / f"linux-{kernel}"
                self._made[kernel] = plants.grow(guest.node, wanted(kernel), out, **guest.options)
            except BaseException as exc:
                self._made[kernel] = exc
        made = self._made[kernel]
        if isinstance(made, BaseException):
            raise made
        return made

    def checked(self) -> dict[str, Any]:
        """What `santabpf check` says of the first kernel."""
        assert self._check is not None
        out, err = self._check.communicate(timeout=300)
        assert (self._check.returncode, err) == (0, ""), out
        said: dict[str, Any] = json.loads(out)
        return said

    def close(self) -> None:
        if self._check is not None and self._check.poll() is None:
            self._check.kill()
            self._check.communicate()

    def _start_check(self, guest: Guest) -> None:
        """Begin it beside the recording, on the other CPU: both compile every probe, which takes long there."""
        if self._check is None:
            argv = [sys.executable, "-m", "santabpf", "check", guest.node, "--json", "--ssh-config", str(guest.config)]
            pipe = subprocess.PIPE
            self._check = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, guest_host: Host) -> Iterator[Grown]:
    made = Grown(tmp_path_factory.mktemp("grown"), guest_host)
    yield made
    made.close()


ON_EACH = [(kernel, pytest.mark.guest(kernel=kernel)) for kernel in KERNELS]


@pytest.mark.parametrize(
    ("kernel", "probe"),
    [pytest.param(kernel, probe, marks=mark) for kernel, mark in ON_EACH for probe in wanted(kernel)],
)
def test_what_was_planted_is_what_the_tables_hold(grown: Grown, kernel: str, probe: str) -> None:
    plants.check(grown.on(kernel), probe)


@pytest.mark.parametrize("kernel", [pytest.param(kernel, marks=mark) for kernel, mark in ON_EACH])
def test_the_recording_is_whole_and_says_what_each_probe_could_do(grown: Grown, kernel: str) -> None:
    recording = grown.on(kernel).recording
    assert verify(recording.path) == []
    assert recording.info["state"] == "complete"
    (node,) = recording.info["nodes"].values()
    assert node["kernel"].startswith(f"{kernel}.")
    assert node["cgroup_version"] == 2
    probes = recording.info["probes"]
    assert set(probes) == {probe for name in wanted(kernel) for probe in plants.probes_of(name)}
    assert all((probe["why"] is None) == (probe["state"] == "on") for probe in probes.values())


@pytest.mark.guest
def test_check_says_what_works_on_another_kernel_and_what_does_not(grown: Grown) -> None:
    recording = grown.on(FIRST).recording
    said = grown.checked()
    assert (said["node"], said["ok"]) == ("guest", True)
    found = {finding["name"]: finding for finding in said["findings"]}
    assert found["kernel"]["message"].startswith(f"Linux {FIRST}.")
    assert "x86_64, 2 CPUs" in found["kernel"]["message"]
    assert found["connection"]["message"] == "SSH to guest"
    probes = {name: probe for name, probe in recording.info["probes"].items() if probe["state"] != "on"}
    for name, probe in probes.items():
        assert found[f"probe {name}"]["state"] == "degraded"
        assert probe["why"].removeprefix("planted: ") in found[f"probe {name}"]["message"]
    works = set(found["probes"]["message"].split(", "))
    assert set(recording.info["probes"]) - probes.keys() <= works
    assert not works & probes.keys()
