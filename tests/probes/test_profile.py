"""Programs that burn the CPU in known functions, found again in folded stacks, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from probes import plants

pytestmark = pytest.mark.bpf


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> plants.Grown:
    return plants.grow("local", ["profile"], Path(tmp_path_factory.mktemp("profiled")) / "recording")


def test_frames_of_processes_that_are_gone_have_their_names_in_their_shares(grown: plants.Grown) -> None:
    plants.check(grown, "profile")
