"""What a probe costs: the interval by rank, a pair that is really run, and the file and sentence it ends in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from math import comb
from pathlib import Path

import pytest
from real_elf import Elf, decoded, plan_of

from santabpf import wire
from santabpf.bench.probe_costs import HITS, interval
from santabpf.bench.scripts import KILLS, LOGINS, QUESTIONS, READS
from santabpf.bench.workloads import WORKLOADS
from santabpf.errors import BadScenario
from santabpf.probes import all_probes
from santabpf.probes.cost import Cost, load_cost

ROOT = Path(__file__).parents[2]
COST = Cost("a load", 20, 1.25, -0.5, 3.0, 1.5, 240, 300_000, 1.5, "a machine, 2 CPUs", "2026-11-22")


@pytest.mark.parametrize("pairs", range(6, 60))
def test_the_interval_holds_the_median_in_at_least_95_of_100_cases(pairs: int) -> None:
    low, high = interval(range(1, pairs + 1))
    below = sum(comb(pairs, k) for k in range(low)) / 2**pairs
    assert below <= 0.025 < below + comb(pairs, low) / 2**pairs
    assert low + high == pairs + 1


def test_twenty_pairs_give_the_sixth_and_the_fifteenth() -> None:
    assert interval([float(n) for n in range(20, 0, -1)]) == (6, 15)


def test_every_load_is_one_that_there_is() -> None:
    assert set(HITS.values()) <= set(WORKLOADS)


def test_a_cost_is_read_as_it_was_written_and_stands_in_the_readme_once(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# a probe\n\n## Cost\n\nOne record of 8 bytes.\n\n## Kernels\n")
    COST._replace(dearer=9.0).write(tmp_path)
    COST.write(tmp_path)
    assert load_cost(tmp_path) == COST
    text = (tmp_path / "README.md").read_text()
    assert text.count("Measured in ") == 1
    assert f"## Cost\n\n{COST.to_sentence()}\n\nOne record of 8 bytes.\n\n## Kernels" in text
    (tmp_path / "cost.yaml").write_text("load: 5\n")
    with pytest.raises(BadScenario, match=r"cost.yaml:1: load"):
        load_cost(tmp_path)


def test_a_probe_without_programs_says_nothing_of_them() -> None:
    assert "runs" not in COST._replace(bpf_ns=None, runs=None).to_text()


@pytest.mark.bpf
@pytest.mark.parametrize(
    ("probe", "column", "least"),
    [("auth", "", LOGINS), ("dns", "", QUESTIONS), ("oom", "", KILLS), ("reclaim", "times", READS // 256)],
)
def test_loads_of_our_own_hit_what_they_are_for(tmp_path: Path, probe: str, column: str, least: int) -> None:
    opened = WORKLOADS[HITS[probe]].open(tmp_path)
    with opened as once, Elf(plan_of(probe)) as elf, ThreadPoolExecutor() as pool:  # type: ignore[attr-defined]
        elf.until(wire.HELLO)
        running = pool.submit(once)
        while not running.done():
            elf.read(0.2)
        took = running.result()
        elf.read(1.2)
        elf.finish()
        rows = decoded(elf, probe)
    assert 0 < took.cpu_s < took.wall_s * len(os.sched_getaffinity(0))
    assert sum(row[column] if column else 1 for row in rows) >= least


@pytest.mark.bpf
def test_a_probe_is_measured_into_its_folder(tmp_path: Path) -> None:
    shutil.copytree(all_probes()["fork"].folder, tmp_path / "probes" / "fork")
    command = [sys.executable, "-m", "santabpf", "--path", tmp_path, "bench", "--costs", "--quick", "-p", "fork"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    cost = load_cost(tmp_path / "probes" / "fork")
    assert cost is not None
    assert (cost.pairs, cost.load) == (1, WORKLOADS["forks"].what)
    assert cost.runs is not None
    assert cost.runs > 50  # 500 forks, by a shell that needs at most some seconds for them
    assert cost.to_sentence() in (tmp_path / "probes" / "fork" / "README.md").read_text()
