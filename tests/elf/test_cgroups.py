"""Paths of cgroups out of the map that programs fill: each once, and again when they have been met again."""

from __future__ import annotations

import struct

import pytest

from santabpf.elf import cgroups, kernel

ENTRIES = 8


class Map:
    """The kernel's map and counter, in memory."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.met = 0

    def note(self, number: int, *, whole: bool = True) -> None:
        self.rows[struct.pack("<Q", number)] = bytes(772) + struct.pack("<I", whole)
        self.met += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> tuple[Map, cgroups.Cgroups]:
    rows = Map()

    class Batch:
        def __init__(self, *sizes: int) -> None: ...

        def read(self) -> list[tuple[bytes, bytes]]:
            return list(rows.rows.items())

    monkeypatch.setattr(kernel, "Batch", Batch)
    monkeypatch.setattr(kernel, "map_lookup", lambda fd, key, size: struct.pack("<Q", rows.met))
    monkeypatch.setattr(kernel, "map_take", lambda fd, key, size: rows.rows.pop(key))
    return rows, cgroups.Cgroups(3, 4, ENTRIES)


def ids(parts: list[bytes]) -> list[int]:
    payload = b"".join(parts)
    return [struct.unpack_from("<Q", payload, at)[0] for at in range(0, len(payload), 784)]


def test_each_is_sent_once(made: tuple[Map, cgroups.Cgroups]) -> None:
    rows, paths = made
    assert ids(paths.fresh()) == []
    rows.note(1)
    rows.note(2)
    assert ids(paths.fresh()) == [1, 2]
    rows.note(3)
    assert ids(paths.fresh()) == [3]
    assert ids(paths.fresh()) == []


def test_one_that_is_being_written_comes_when_it_is_whole(made: tuple[Map, cgroups.Cgroups]) -> None:
    rows, paths = made
    rows.note(1, whole=False)
    assert ids(paths.fresh()) == []
    rows.rows[struct.pack("<Q", 1)] = bytes(772) + struct.pack("<I", 2)
    assert ids(paths.fresh()) == [1]


def test_what_did_not_get_through_is_taken_again(made: tuple[Map, cgroups.Cgroups]) -> None:
    rows, paths = made
    rows.note(1)
    paths.fresh()
    paths.forget()
    assert ids(paths.fresh()) == [1]


def test_a_map_that_is_half_full_is_emptied_and_who_is_met_again_is_sent_again(
    made: tuple[Map, cgroups.Cgroups],
) -> None:
    rows, paths = made
    for number in range(ENTRIES):
        rows.note(number)
    assert len(ids(paths.fresh())) == ENTRIES
    assert len(rows.rows) == ENTRIES
    paths.make_room()
    assert rows.rows == {}
    rows.note(0)
    assert ids(paths.fresh()) == [0]
