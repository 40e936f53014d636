"""A loop that is held for real: the verdict names the function that computes in it, or the call in which it sleeps."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import santabpf as sb

#: Held for 0.3 s of each 0.6 s, between polls.
LOOP = """
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
__attribute__((noinline)) void render_invoice(void)
{
    struct timespec now;
    double until = 0;
    do {
        for (volatile int i = 0; i < 1000000; i++)
            ;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        until = until ? until : now.tv_sec + now.tv_nsec / 1e9 + 0.3;
    } while (now.tv_sec + now.tv_nsec / 1e9 < until);
}
int main(int argc, char **argv)
{
    for (alarm(60);;) {
        for (int i = 0; i < 6; i++)
            poll(0, 0, 50);
        if (!strcmp(argv[1], "computes"))
            render_invoice();
        else
            nanosleep(&(struct timespec){.tv_nsec = 300000000}, 0);
    }
}
"""


@pytest.mark.bpf
@pytest.mark.parametrize(
    ("does", "probes", "named"),
    [("computes", (), "render_invoice in "), ("sleeps", ("offcpu",), "the system call clock_nanosleep (")],
)
def test_what_holds_a_loop_is_named(does: str, probes: tuple[str, ...], named: str, tmp_path: Path) -> None:
    (tmp_path / "loop.c").write_text(LOOP)
    subprocess.run(["gcc", "-O1", "-Wl,--build-id=sha1", "-o", tmp_path / "looped", tmp_path / "loop.c"], check=True)
    with subprocess.Popen([tmp_path / "looped", does]) as loop:
        try:
            made = sb.record(
                {"node-1": "local"}, ["event_loop_blocked"], probes, "8s", out=tmp_path / "r", progress=False,
                scope={"tree": loop.pid},
            )  # fmt: skip
        finally:
            loop.kill()
    (verdict,) = sb.replay(made, ["event_loop_blocked"]).verdicts
    assert verdict.state == "fired", verdict.to_text()
    assert verdict.culprit is not None
    assert verdict.culprit.process == f"looped (pid {loop.pid}, thread {loop.pid})"
    assert verdict.culprit.function.startswith(named), verdict.to_text()
