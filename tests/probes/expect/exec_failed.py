"""What exec and exec_failed must say of what plant/exec_failed.py planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PROBES = ("exec",)
ENOENT, E2BIG, ENOEXEC, EACCES = 2, 7, 8, 13


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Each failure is one row with its error, a search that ended well is none."""
    failed: dict[int, list[tuple[str, int, int]]] = {}
    for row in table("exec_failed").to_pylist():
        failed.setdefault(row["tgid"], []).append((row["filename"], row["errno"], row["tries"]))
        assert row["failed_ns"] <= row["ts_ns"]
        assert row["cgroup"] is None or "/" in row["cgroup"]
    for tgid in facts["missing"]:
        assert failed[tgid] == [("/nowhere/missing", ENOENT, 1)]
    for tgid in facts["forbidden"]:
        assert failed[tgid] == [(facts["folder"] + "/forbidden", EACCES, 1)]
    for tgid in facts["searched"]:
        assert failed[tgid] == [("/bin/santabpf-nobody", ENOENT, 3)]
    assert facts["found"] not in failed
    assert failed[facts["fallback"]] == [("/nowhere/first", ENOENT, 1)]
    assert failed[facts["too_long"]] == [("/bin/true", E2BIG, 1)]
    assert failed[facts["again"]] == [("/nowhere/again", ENOENT, 1)] * 2
    assert failed[facts["bare"]] == [(facts["folder"] + "/bare", ENOEXEC, 1)]
    started = {row["tgid"]: (row["filename"], row["misses"]) for row in table("exec").to_pylist()}
    assert started[facts["found"]] == ("/bin/true", 2)
    assert started[facts["fallback"]] == ("/bin/true", 0)
    assert not {*facts["missing"], *facts["forbidden"], *facts["searched"], facts["too_long"]} & started.keys()
