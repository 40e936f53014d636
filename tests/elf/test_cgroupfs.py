"""Files of cgroups, from folders that are made like a hierarchy: what is read, what is not read again, what is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from santabpf.elf import cgroupfs, procfs

FILES = ["cpu.stat", "memory.current"]


class Hierarchy:
    """A mounted v2 tree, but of ordinary folders; counts which files are read."""

    def __init__(self, root: Path) -> None:
        self.root, self.read_files = root, list[str]()
        (root / "cgroup.controllers").write_text("cpu memory")

    def make(self, path: str, usage: int = 1, memory: int = 1) -> None:
        folder = self.root / path
        folder.mkdir(exist_ok=True)
        (folder / "cpu.stat").write_text(f"usage_usec {usage}\n")
        (folder / "memory.current").write_text(f"{memory}\n")

    def read(self, path: str, *, one_record: bool = False) -> bytes | None:
        if path == "/proc/self/mountinfo":
            return f"30 1 0:26 / {self.root} rw shared:4 - cgroup2 cgroup2 rw\n".encode()
        self.read_files.append(path.removeprefix(str(self.root)))
        return procfs.read_file(path)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Hierarchy, cgroupfs.Reader]:
    hierarchy = Hierarchy(tmp_path)
    hierarchy.make("a")
    hierarchy.make("a/b")
    return hierarchy, cgroupfs.Reader(["cpuacct.usage", *FILES], hierarchy.read)


def test_each_cgroup_but_the_root_has_its_files(made: tuple[Hierarchy, cgroupfs.Reader]) -> None:
    _, reader = made
    wanted = {f"{path}/{file}" for path in ("/a", "/a/b") for file in FILES}
    assert set(reader.read()) == wanted
    assert reader.left_out == 0


def test_where_no_time_has_passed_only_the_first_file_is_read(made: tuple[Hierarchy, cgroupfs.Reader]) -> None:
    hierarchy, reader = made
    reader.read()
    hierarchy.read_files.clear()
    hierarchy.make("a", usage=2, memory=7)
    again = reader.read()
    assert again == {
        "/a/cpu.stat": b"usage_usec 2\n", "/a/memory.current": b"7\n", "/a/b/cpu.stat": b"usage_usec 1\n",
    }  # fmt: skip
    assert "/a/b/memory.current" not in hierarchy.read_files
    reader.forget()
    assert "/a/b/memory.current" in reader.read()


def test_those_that_come_and_go_are_noticed_also_in_one_second(made: tuple[Hierarchy, cgroupfs.Reader]) -> None:
    hierarchy, reader = made
    reader.read()
    shutil.rmtree(hierarchy.root / "a/b")
    hierarchy.make("a/c")  # as many folders as before
    now = reader.read()
    assert now["/a/b/"] == b""
    assert "/a/c/memory.current" in now
    assert "/a/b/" not in reader.read()


def test_more_than_are_read_are_counted(
    made: tuple[Hierarchy, cgroupfs.Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    hierarchy, reader = made
    monkeypatch.setattr(cgroupfs, "LIMIT", 3)
    for i in range(5):
        hierarchy.make(f"d{i}")
    assert len({name.rpartition("/")[0] for name in reader.read()}) == 3
    assert reader.left_out == 4
    reader.read()
    assert reader.left_out == 8
