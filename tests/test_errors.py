"""What somebody who misspelt a name is told."""

from __future__ import annotations

from santabpf.errors import FEW, MOST_NAMED, nearest


def test_of_many_names_only_the_nearest_few_are_named() -> None:
    names = [f"recording_{number:03}" for number in range(86)]
    assert nearest("recording_07", names).startswith("did you mean 'recording_07")
    assert nearest("frequent", [*names, "fr"]).startswith("there are 87, of which the nearest are: fr, ")
    far = nearest("xyz", names)
    assert far.startswith("there are 86, of which the nearest are: ")
    assert far.count("recording_") == FEW


def test_few_names_are_all_named() -> None:
    assert nearest("zzz", ["runq", "exec"]) == "there is: exec, runq"
    names = [f"a{number}" for number in range(MOST_NAMED)]
    assert all(name in nearest("zzz", names) for name in names)
    assert nearest("zzz", []) == "there is: nothing"
