"""santabpf probes --measure: what each probe costs on a node as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from real_elf import FORKS, load

from santabpf.measure import measure

pytestmark = pytest.mark.bpf


def test_probes_that_run_cost_something_and_those_without_a_program_say_nothing() -> None:
    with load(FORKS):
        rows, elf = measure("local", ["exec", "oom", "metrics"], 2, progress=False)
    found = {row.probe: row for row in rows}
    assert sorted(found) == ["exec", "metrics", "oom"]
    assert found["metrics"][1:] == (None, None, None)
    assert (found["oom"].runs_a_second, found["oom"].core_percent) == (0, 0)
    one = found["exec"]
    assert one.runs_a_second is not None
    assert one.ns_a_run is not None
    assert one.core_percent is not None
    assert one.runs_a_second > 10
    assert one.core_percent == pytest.approx(one.runs_a_second * one.ns_a_run / 1e7)
    assert 0 < elf < 100


def test_a_node_that_is_not_there_is_one_clear_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "santabpf", "probes", "exec", "--measure", "nobody@127.0.0.1:1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("santabpf: ")
    assert "127.0.0.1" in done.stderr
    assert done.stderr.count("\n") == 1
