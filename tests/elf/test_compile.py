"""How the compiler shares its work out: each probe is compiled once, the longest first, by two where there is room."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from santabpf.elf import compile

SPECS = [{"name": f"p{i}", "attach": ["x"] * i, "source": ""} for i in range(8)]


@pytest.mark.parametrize(("mib", "cpus", "processes"), [(4096, 2, 2), (900, 2, 1), (4096, 1, 1)])
def test_all_are_compiled_once_by_as_many_as_there_is_room_for(
    mib: int, cpus: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("santabpf.elf.checks.memory", lambda name: mib << 20)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cpus)))
    monkeypatch.setattr("santabpf.elf.kernel.die_with_parent", lambda: None)

    def load(spec: dict[str, object]) -> None:
        with (tmp_path / "done").open("a") as file:
            file.write(f"{spec['name']} {os.getpid()}\n")
        time.sleep(0.05)

    second_bytes = compile._each(SPECS, load)
    lines = [line.split() for line in (tmp_path / "done").read_text().splitlines()]
    assert sorted(name for name, _ in lines) == [f"p{i}" for i in range(8)]
    assert lines[0][0] == "p7"
    assert len({pid for _, pid in lines}) == processes
    assert (second_bytes > 0) == (processes == 2)


def test_what_the_second_one_could_not_compile_does_not_end_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("santabpf.elf.checks.memory", lambda name: 4 << 30)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    first = os.getpid()

    def load(spec: dict[str, object]) -> None:
        if os.getpid() != first:
            os._exit(9)  # as one that the kernel killed for want of memory
        time.sleep(0.05)
        (tmp_path / str(spec["name"])).touch()

    compile._each(SPECS, load)
    assert len(list(tmp_path.iterdir())) == 7
