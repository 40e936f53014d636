"""Every probe on other kernels: one recording of all that have a plant, each found again exactly.

What disturbs the whole node has a recording of its own, after that: others would lose what they count.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from guest.fixtures import Host
from guest.image import KERNELS
from probes import plants

from santabpf.recording import verify


class Grown:
    """One recording for each kernel, made when it is first asked for; what fails to be made fails each time."""

    def __init__(self, folder: Path, host: Host) -> None:
        self._folder, self._host = folder, host
        self._made: dict[str, plants.Grown | BaseException] = {}

    def on(self, kernel: str, alone: str = "") -> plants.Grown:
        """The recording of all plants that can stand together, or of one that can't."""
        name = f"linux-{kernel}-{alone}" if alone else f"linux-{kernel}"
        if name not in self._made:
            try:
                wanted = [alone] if alone else [plant for plant in plants.planted_on(kernel) if not stands_alone(plant)]
                guest = self._host.guest(kernel)
                self._made[name] = plants.grow(guest.node, wanted, self._folder / name, **guest.options)
            except BaseException as exc:
                self._made[name] = exc
        made = self._made[name]
        if isinstance(made, BaseException):
            raise made
        return made


def stands_alone(plant: str) -> bool:
    """Does only a guest stand it, as it is made short of something?"""
    return plant not in plants.names()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, guest_host: Host) -> Grown:
    return Grown(tmp_path_factory.mktemp("grown"), guest_host)


ON_EACH = [(kernel, pytest.mark.guest(kernel=kernel)) for kernel in KERNELS]


@pytest.mark.parametrize(
    ("kernel", "probe"),
    [pytest.param(kernel, probe, marks=mark) for kernel, mark in ON_EACH for probe in plants.planted_on(kernel)],
)
def test_what_was_planted_is_what_the_tables_hold(grown: Grown, kernel: str, probe: str) -> None:
    plants.check(grown.on(kernel, probe if stands_alone(probe) else ""), probe)


@pytest.mark.parametrize("kernel", [pytest.param(kernel, marks=mark) for kernel, mark in ON_EACH])
def test_no_record_is_torn_and_what_was_kept_and_lost_is_what_happened(grown: Grown, kernel: str) -> None:
    plants.check_accounts(grown.on(kernel))


@pytest.mark.parametrize("kernel", [pytest.param(kernel, marks=mark) for kernel, mark in ON_EACH])
def test_the_recording_is_whole_and_says_what_each_probe_could_do(grown: Grown, kernel: str) -> None:
    recording = grown.on(kernel).recording
    assert verify(recording.path) == []
    assert recording.info["state"] == "complete"
    (node,) = recording.info["nodes"].values()
    assert node["kernel"].startswith(f"{kernel}.")
    assert node["cgroup_version"] == 2
    probes = recording.info["probes"]
    assert set(probes) == {probe for name in plants.planted_on(kernel) for probe in plants.probes_of(name)}
    assert all((probe["why"] is None) == (probe["state"] == "on") for probe in probes.values())
