"""The planted programs' samples fold into the planted functions, in their shares; what nobody knows is not claimed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from santabpf.replay.stacks import fold

SPEC = "profile:hz=199"
KEPT = True
#: Of so many samples at least, the share of 3/4 is right within 4 standard deviations of a sampling of that number.
ENOUGH = 100
PLACES = 32


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    samples = table("profile")
    one = pa.array([1] * len(samples), pa.int64())
    rows = fold(samples.append_column("samples", one).append_column("value", one), table("symbols")).to_pylist()
    of = {name: [row for row in rows if row["tgid"] == facts[name]["tgid"]] for name in facts if "tgid" in facts[name]}
    assert all(row["comm"] == row["frames"][0] for row in rows)
    check_whole(user_stacks(of["whole"]))
    check_stripped(user_stacks(of["stripped"]))
    check_without_frames(user_stacks(of["no-frames"]))
    check_compiled(user_stacks(of["jit"]))
    check_deep(user_stacks(of["deep"]), samples.to_pylist(), facts["deep"]["tgid"])
    kernel = {(name, kind) for row in rows for name, kind in zip(row["frames"], row["kinds"], strict=True)}
    assert any(kind == "kernel" and name.startswith(("do_syscall", "asm_", "ret_from_fork")) for name, kind in kernel)
    check_counts(samples, table("profile_cpu").to_pylist())
    mapped = {(row["tgid"], row["path"], row["build_id"]) for row in table("mappings").to_pylist()}
    for name in ("whole", "stripped", "no-frames"):
        assert (facts[name]["tgid"], facts[name]["path"], facts[name]["build_id"]) in mapped


def check_counts(samples: pa.Table, cpus: list[dict[str, Any]]) -> None:
    rows = samples["cpu"].to_pylist()
    for cpu in {row["cpu"] for row in cpus}:
        mine = [row for row in cpus if row["cpu"] == cpu]
        assert sum(row["ticks"] - row["idle_ticks"] for row in mine) == rows.count(cpu)
    assert set(rows) <= {row["cpu"] for row in cpus}


def user_stacks(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], int]:
    """Frames of the program -> samples, of those samples that were taken in the program."""
    out: dict[tuple[str, ...], int] = {}
    for row in rows:
        if "kernel" not in row["kinds"]:
            stack = tuple(row["frames"][1:])
            out[stack] = out.get(stack, 0) + row["value"]
    return out


def inside(stacks: dict[tuple[str, ...], int], program: str) -> int:
    """Samples all of whose frames are places in this file; the others were taken before its process had become it."""
    return sum(
        samples for stack, samples in stacks.items()
        if all(frame.startswith(f"{program}+0x") for frame in stack if frame != "[cut]")
    )  # fmt: skip


def check_whole(stacks: dict[tuple[str, ...], int]) -> None:
    way = ("_start", "santa_a", "santa_b")
    heavy, light = stacks.get((*way, "santa_heavy"), 0), stacks.get((*way, "santa_light"), 0)
    total = sum(stacks.values())
    assert total >= ENOUGH
    assert heavy + light >= 0.98 * total, stacks  # a sample may hit a push or a ret of the others
    assert abs(heavy / total - 0.75) < 4 * (0.75 * 0.25 / total) ** 0.5 + 0.01
    for stack in stacks:  # no wrong way
        assert stack == (*way, *stack[3:])[: len(stack)] or stack[0] == "[cut]", stacks


def check_stripped(stacks: dict[tuple[str, ...], int]) -> None:
    assert sum(stacks.values()) >= ENOUGH
    assert inside(stacks, "stripped") >= 0.98 * sum(stacks.values()), stacks
    ways = {tuple(frame for frame in stack if frame != "[cut]")[:3] for stack in stacks if len(stack) > 3}
    assert ways  # callers are found without names, too


def check_without_frames(stacks: dict[tuple[str, ...], int]) -> None:
    heavy = stacks.get(("[cut]", "santa_heavy"), 0)
    assert sum(stacks.values()) >= ENOUGH
    assert heavy >= 0.98 * sum(stacks.values()), stacks
    # nothing called _start, and until it has set rbp nothing is to be cut
    assert all(stack == ("_start",) or (stack[0] == "[cut]" and len(stack) == 2) for stack in stacks), stacks


def check_deep(stacks: dict[tuple[str, ...], int], samples: list[dict[str, Any]], tgid: int) -> None:
    """Its samples have as many frames as there is room for, and say that there were more."""
    total = sum(stacks.values())
    assert total >= ENOUGH
    assert stacks.get(("[cut]", *["santa_deep"] * PLACES), 0) >= 0.98 * total, stacks
    for row in samples:
        if row["tgid"] == tgid and row["user_frames"] is not None and len(row["kernel_stack"] or []) < PLACES:
            assert row["cut"] == (len(row["user_frames"]) == PLACES)


def check_compiled(stacks: dict[tuple[str, ...], int]) -> None:
    found = sum(n for stack, n in stacks.items() if stack[-2:] == ("LSanta;outer()V", "LSanta;inner()V"))
    assert sum(stacks.values()) >= ENOUGH
    assert found >= 0.8 * sum(stacks.values()), stacks
