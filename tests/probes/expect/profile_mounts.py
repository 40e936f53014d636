"""Programs in mount namespaces of their own are named by the files that they see, or by nothing but place and file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from santabpf.replay.stacks import fold

from .profile import inside, user_stacks

PROBES = ("profile",)
KEPT = True
ENOUGH = 50  # of some 200


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    samples = table("profile")
    one = pa.array([1] * len(samples), pa.int64())
    symbols = table("symbols").to_pylist()
    rows = fold(samples.append_column("samples", one).append_column("value", one), table("symbols")).to_pylist()
    # until it has become the program it is a Python, for long where the machine is emulated; one stays Python
    comms = {"alive": "program", "gone": "program", "outside": "program", "jit": "python"}
    of = {
        name: user_stacks([r for r in rows if r["tgid"] == facts[name]["tgid"] and r["comm"].startswith(comm)])
        for name, comm in comms.items()
    }
    for stacks in of.values():
        assert sum(stacks.values()) >= ENOUGH
    for name, function in (("alive", "santa_inside"), ("outside", "santa_outside")):
        found = of[name].get(("_start", function), 0)
        assert found >= 0.98 * sum(of[name].values()), of[name]
    assert inside(of["gone"], "program") >= 0.98 * sum(of["gone"].values()), of["gone"]
    assert not any("santa" in frame for stack in of["gone"] for frame in stack), of["gone"]
    why = {row["why"] for row in symbols if row["frame"].startswith(facts["gone"]["build_id"])}
    assert why == {"another file has its path now"}
    places = {row["module"] for row in symbols if row["frame"].startswith(facts["gone"]["build_id"])}
    assert places == {facts["gone"]["path"]}
    assert not any("outside" in frame for stack in of["jit"] for frame in stack), of["jit"]
