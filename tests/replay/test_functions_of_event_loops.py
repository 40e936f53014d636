"""event_loop_blocked names the function that computes, or the system call that sleeps, where that was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up_node import MS, START, Process, S, World

from santabpf.recording import Recording
from santabpf.replay import replay
from santabpf.verdict import Verdict

PROBES = ("event_loop", "runq", "processes", "exec")
FILE = "ab" * 20
TICKS = range(5, 15)  # the second in each of which one tick of 400 ms ends
#: Places in /usr/bin/shopd, and a return address.
PARSE, COPY, IDLE, EVAL = (f"{FILE}+{offset:#x}" for offset in (0x110, 0x210, 0x310, 0x410))
SCRIPT = "0x7f0000001010"
KERNEL = {
    name: -0x1000 + at * 0x10
    for at, name in enumerate(
        [
            "finish_task_switch",
            "__schedule",
            "schedule",
            "io_schedule",
            "do_nanosleep",
            "folio_wait_bit_common",
            "__x64_sys_clock_nanosleep",
            "do_syscall_64",
            "asm_exc_page_fault",
        ]
    )
}


def server(*probes: str, cpu_ms: int = 390, comm: str = "shopd") -> tuple[World, Process]:
    """A server whose loop is held for 400 ms in each second from 5 to 15, and polls 20 times a second besides."""
    world = World(20, probes=(*PROBES, *probes))
    loop = world.lives(comm, parent=world.init, argv=[f"/usr/bin/{comm}"])
    who = {"start_ns": loop.start_ns, "tgid": loop.tgid, "tid": loop.tgid, "comm": comm}
    for second in range(20):
        held = 400 * MS if second in TICKS else 0
        world.rows["event_loop"].append(
            {
                "ts_ns": START + (second + 1) * S,
                "span_ns": S,
                "ticks": 20 + held // (400 * MS),
                "busy_ns": 2 * MS + held,
                "over_50ms": held // (400 * MS),
                "over_200ms": held // (400 * MS),
                "max_ns": 400 * MS,
            }
            | who
        )
        if held:
            world.rows["event_loop_slow"].append(
                {"ts_ns": end(second), "busy_ns": held, "cpu_ns": cpu_ms * MS, "ready": 1} | who
            )
    return world, loop


def end(second: int) -> int:
    """When the tick of that second ends."""
    return START + second * S + 900 * MS


def sample(
    world: World, loop: Process, ts_ns: int, frames: list[str], kernel: list[str] | None = None, tid: int | None = None
) -> None:
    """The thread was found there by profile."""
    world.rows["profile"].append(
        {
            "ts_ns": ts_ns,
            "start_ns": loop.start_ns,
            "tgid": loop.tgid,
            "tid": tid or loop.tgid,
            "cpu": 0,
            "cut": False,
            "comm": loop.comm,
            "kernel_stack": [KERNEL[name] for name in kernel or []],
            "user_frames": frames,
        }
    )


def slept(
    world: World, loop: Process, ts_ns: int, blocked_ms: int, kernel: list[str], frames: list[str] | None = None
) -> None:
    """The thread came back from a sleep at that moment, says offcpu."""
    world.rows["offcpu"].append(
        {
            "ts_ns": ts_ns,
            "start_ns": loop.start_ns,
            "tgid": loop.tgid,
            "tid": loop.tgid,
            "blocked_ns": blocked_ms * MS,
            "cpu": 0,
            "cut": False,
            "state": "S",
            "comm": loop.comm,
            "kernel_stack": [KERNEL[name] for name in kernel],
            "user_frames": frames or [COPY],
        }
    )


def symbol(world: World, frame: str, name: str | None, **more: Any) -> None:
    """What was found out about a place in the program, whose functions are 0x100 apart."""
    offset = int(frame.partition("+")[2] or "0x110", 16)
    world.rows["symbols"].append(
        {
            "ts_ns": START + 20 * S,
            "frame": frame,
            "is_return": False,
            "name": name,
            "module": "/usr/bin/shopd",
            "module_offset_bytes": offset,
            "offset_bytes": offset % 0x100,
            "keeps_frame": True,
        }
        | more
    )


def kernel_symbols(world: World) -> None:
    for name, address in KERNEL.items():
        for is_return in (False, True):
            world.rows["symbols"].append(
                {
                    "ts_ns": START + 20 * S,
                    "frame": f"{address % (1 << 64):#018x}",
                    "address": address,
                    "is_return": is_return,
                    "name": name,
                    "module": "[kernel]",
                }
            )


def judged(recording: Recording) -> Verdict:
    (verdict,) = replay(recording, ["event_loop_blocked"]).verdicts
    assert verdict.state == "fired"
    return verdict


def function(verdict: Verdict) -> str:
    assert verdict.culprit is not None
    return verdict.culprit.function


def rows(verdict: Verdict, name: str) -> list[dict[str, Any]]:
    found = verdict.find(name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def unknown(verdict: Verdict) -> str:
    return " ".join(sentence.text for sentence in verdict.could_not_tell)


def said(verdict: Verdict) -> str:
    return " ".join(sentence.text for sentence in verdict.summary)


def computing(world: World, loop: Process) -> None:
    """In each long tick 7 samples, 5 of them in one function; the first and the last are at the edge of what counts."""
    for second in TICKS:
        for at in (399, 300, 200, 100, 0):
            sample(world, loop, end(second) - at * MS, [PARSE])
        for at in (350, 250):
            sample(world, loop, end(second) - at * MS, [COPY], ["do_syscall_64"])


def test_the_function_that_computes_has_its_share_of_the_samples_within_the_long_ticks_alone(tmp_path: Path) -> None:
    world, loop = server("profile")
    computing(world, loop)
    for second in TICKS:
        sample(world, loop, end(second) - 400 * MS, [IDLE])  # the poll before it returned at that very moment
        sample(world, loop, end(second) + 1, [IDLE])
        sample(world, loop, end(second) - 200 * MS, [IDLE], tid=loop.tgid + 1)  # another thread of the same process
    for frame, name in ((PARSE, "parse_order"), (COPY, "copy_rows"), (IDLE, "keep_time")):
        symbol(world, frame, name)
    verdict = judged(world.write(tmp_path / "r"))
    assert [
        (row["function"], row["samples"], row["in_kernel"], row["all_samples"]) for row in rows(verdict, "functions")
    ] == [
        ("parse_order", 50, 0, 70),
        ("copy_rows", 20, 20, 70),
    ]
    assert function(verdict) == "parse_order in /usr/bin/shopd (71 % of the CPU time in its long ticks)"
    shares = "71 % were in parse_order, 29 % in copy_rows and below it in the kernel."
    assert f"Of 70 samples of the CPU in these ticks, {shares}" in said(verdict)
    assert next(s.evidence for s in verdict.summary if "parse_order" in s.text) == ("functions",)
    assert "Begin with parse_order" in verdict.next_steps[0].text
    assert "function" not in unknown(verdict)
    assert {"profile", "symbols"} <= verdict.inputs.tables.keys()


def test_without_profile_the_answer_is_the_same_and_the_function_is_said_to_be_unknown(tmp_path: Path) -> None:
    world, loop = server("profile")
    computing(world, loop)
    with_it = judged(world.write(tmp_path / "with"))
    world, _ = server()
    without = judged(world.write(tmp_path / "without"))
    assert without.detected == with_it.detected
    assert function(without) == ""
    assert "Which function computed: profile, which samples the CPUs, was not recorded" in unknown(without)
    assert rows(without, "functions") == []
    assert not {"profile", "symbols"} & without.inputs.tables.keys()


def test_a_profile_whose_probe_failed_was_not_recorded(tmp_path: Path) -> None:
    world, _ = server("profile")
    probes = world.info()["probes"] | {"profile": {"params": {}, "state": "failed", "why": "no perf"}}
    verdict = judged(world.write(tmp_path / "r", probes=probes))
    assert "profile, which samples the CPUs, was not recorded" in unknown(verdict)


def test_a_profile_without_a_sample_in_the_long_ticks_says_so(tmp_path: Path) -> None:
    world, loop = server("profile")
    sample(world, loop, end(5) + 1, [IDLE])
    verdict = judged(world.write(tmp_path / "r"))
    assert function(verdict) == ""
    assert "none of the samples of profile fell into these ticks" in unknown(verdict)


def test_a_stripped_function_is_a_place_in_its_file_whose_name_is_unknown(tmp_path: Path) -> None:
    world, loop = server("profile")
    computing(world, loop)
    symbol(world, PARSE, None, why="no symbol in the file covers it")
    verdict = judged(world.write(tmp_path / "r"))
    assert function(verdict).startswith("shopd+0x100 in /usr/bin/shopd (71 %")
    assert "The name of shopd+0x100: no symbol in the file covers it." in unknown(verdict)
    assert "Where the debug symbols of /usr/bin/shopd are installed" in unknown(verdict)


def test_before_names_are_read_it_says_that_they_are_not_yet(tmp_path: Path) -> None:
    world, loop = server("profile")
    computing(world, loop)
    verdict = judged(world.write(tmp_path / "r"))
    assert "names are read when a recording has ended" in unknown(verdict)


@pytest.mark.parametrize(
    ("keeps_frame", "told"),
    [(True, "py::report:/srv/shop.py (100 %"), (False, "_PyEval_EvalFrameDefault in /usr/bin/shopd (100 %")],
)
def test_a_script_s_function_is_named_by_its_perf_map_if_the_stack_leads_there_for_sure(
    keeps_frame: bool, told: str, tmp_path: Path
) -> None:
    world, loop = server("profile", comm="python3")
    for second in TICKS:
        sample(world, loop, end(second) - 200 * MS, [EVAL, SCRIPT])
    symbol(world, EVAL, "_PyEval_EvalFrameDefault", keeps_frame=keeps_frame)
    compiled: dict[str, Any] = {"is_return": True, "start_ns": loop.start_ns, "module": "[jit]", "keeps_frame": None}
    symbol(world, SCRIPT, "py::report:/srv/shop.py", tgid=loop.tgid, **compiled)
    symbol(world, SCRIPT, "py::stranger:/x.py", tgid=loop.tgid + 1, **compiled)
    verdict = judged(world.write(tmp_path / "r"))
    assert function(verdict).startswith(told)
    assert ("Which Python function it was" in unknown(verdict)) is not keeps_frame
    assert ("py-spy" in verdict.next_steps[0].text) is not keeps_frame


def test_the_call_that_sleeps_is_named_with_how_long(tmp_path: Path) -> None:
    world, loop = server("offcpu", cpu_ms=2)
    kernel_symbols(world)
    nap = ["finish_task_switch", "__schedule", "schedule", "do_nanosleep", "__x64_sys_clock_nanosleep", "do_syscall_64"]
    fault = ["finish_task_switch", "__schedule", "io_schedule", "folio_wait_bit_common", "asm_exc_page_fault"]
    for second in TICKS:
        slept(world, loop, end(second) - 100 * MS, 290, nap)
        slept(world, loop, end(second), 90, fault)
        slept(world, loop, end(second) - 400 * MS, 77, nap)  # in the poll, which returned then
        slept(world, loop, end(second) + 50 * MS, 40, nap)
    verdict = judged(world.write(tmp_path / "r"))
    assert [
        (row["call"], row["kernel_function"], row["times"], row["blocked_ns"]) for row in rows(verdict, "calls")
    ] == [
        ("clock_nanosleep", "do_nanosleep", 10, 2900 * MS),
        (None, "folio_wait_bit_common", 10, 900 * MS),
    ]
    assert function(verdict) == "the system call clock_nanosleep (2.9 s of its long ticks)"
    assert (
        "It slept for 2.9 s in the system call clock_nanosleep (a sleep), for 900 ms in folio_wait_bit_common"
        in said(verdict)
    )
    assert "Find what calls clock_nanosleep" in verdict.next_steps[0].text
    assert "Which call" not in unknown(verdict)


def test_a_loop_that_is_blocked_without_offcpu_says_how_to_learn_the_call(tmp_path: Path) -> None:
    world, _ = server("profile", cpu_ms=2)
    verdict = judged(world.write(tmp_path / "r"))
    assert function(verdict) == ""
    assert "Which call blocked: offcpu, which tells, was not recorded" in unknown(verdict)


def test_lost_samples_are_told_and_are_no_doubt_about_the_answer(tmp_path: Path) -> None:
    world, loop = server("profile")
    computing(world, loop)
    world.loses("profile", 8, 23)
    verdict = judged(world.write(tmp_path / "r"))
    assert "Rows of profile were lost: 23 because its ring was full." in unknown(verdict)
    assert verdict.confidence.level == "high"
