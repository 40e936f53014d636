"""The gym in a guest: every drill once, in a second node with another kernel and cgroup v2.

Each drill is recorded and judged by its own scenario only: to compile all probes there takes a minute. Its runs are
kept, so that a gym that was stopped goes on.

    python tests/guest/gym.py RUNS OUT [SCENARIO ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
from guest.image import DRILL_PACKAGES, KERNELS, image
from guest.machine import Guest

from santabpf.gym import gym


def main(runs: Path, out: Path, scenarios: list[str]) -> int:
    """Exit code 0 where every verdict was right."""
    booted = Guest(image(next(iter(KERNELS)), DRILL_PACKAGES))
    try:
        told = gym(
            scenarios, node=booted.node, alone=True, runs=runs, ask=lambda what: True,
            say=lambda line: print(line, flush=True), **booted.options,
        )  # fmt: skip
    finally:
        booted.close()
    out.write_text(told.to_markdown(), encoding="utf-8")
    return 0 if told.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
