"""Every probe on this kernel: one recording of all that have a plant, each planted in it, each found again exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from probes import plants

pytestmark = pytest.mark.bpf


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> plants.Grown:
    return plants.grow("local", plants.names(), Path(tmp_path_factory.mktemp("planted")) / "recording")


@pytest.mark.parametrize("probe", plants.names())
def test_what_was_planted_is_what_the_tables_hold(grown: plants.Grown, probe: str) -> None:
    plants.check(grown, probe)


def test_no_record_is_torn_and_what_was_kept_and_lost_is_what_happened(grown: plants.Grown) -> None:
    plants.check_accounts(grown)
