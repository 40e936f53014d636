"""The elf: what runs on a node while it is being watched.

In: a plan on stdin, then a ping a second. Out: frames on stdout (see wire.py). Never: a file on the node, a wait for
Santa, bcc in this process. It ends at end of file, at a signal, after some seconds without a ping, or when asked to;
and everything that it loaded into the kernel ends with it, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import resource
import socket
import time
import traceback

from .. import wire
from . import checks, procfs, ticks
from .line import Line, Stop
from .output import Output
from .recorder import Recorder
from .scope import NoSuchScope, Scope, cgroup_controller

VERSION = "0.1.0"
_SECOND = 1_000_000_000
_FLUSH_S, _LEAVE_S = 60.0, 5.0  # for Santa to read the rest: asked to finish, and told to by a signal


def main() -> None:
    """Run until there is a reason to stop, and end the process."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")
    code = 1
    try:
        code = run(Line(0), 1)
    except (BrokenPipeError, ConnectionResetError, Stop):
        pass  # nobody is there any more
    except Exception:
        traceback.print_exc()
    _leave(code)


def _leave(code: int) -> None:
    """End. No clean-up can be needed: the kernel takes back all that this process holds.

    But it takes its time, some 70 ms for each tracepoint, one after the other, and whoever lets go last waits for it.
    Nobody needs to: a copy of this process, which holds all the same and does nothing, stays until this one is gone.
    """
    elf = os.getpid()
    with contextlib.suppress(OSError):  # no memory for it: then it takes longer
        if os.fork() == 0:
            for fd in (0, 1, 2):
                with contextlib.suppress(OSError):
                    os.close(fd)
            while os.getppid() == elf:
                time.sleep(0.005)
    os._exit(code)


def run(line: Line, stdout: int) -> int:
    """One recording; the exit code."""
    plan = line.read_plan()
    out = Output(stdout, int(plan.get("buffer_bytes", 64 << 20)))
    line.watch_out(stdout, waiting=False)
    troubles = checks.examine(plan)
    recorder = None
    if not any(t["fatal"] for t in troubles):
        try:
            recorder = _load(plan, line)
            troubles += recorder.troubles
        except NoSuchScope as exc:
            troubles.append(checks.trouble("no_such_scope", str(exc), fatal=True))
    fatal = any(t["fatal"] for t in troubles)
    clock = ticks.read_clock()
    armed_ns = clock["mono_ns"] if recorder is None or fatal else recorder.arm()
    out.message(wire.HELLO, time.monotonic_ns(), hello(recorder, clock, armed_ns))
    for trouble in troubles:
        out.message(wire.TROUBLE, time.monotonic_ns(), trouble)
    if recorder is not None and not fatal:
        _record(recorder, out, line, clock, armed_ns)
    reason = "fatal" if fatal else line.reason or "asked"
    out.message(wire.BYE, time.monotonic_ns(), {"reason": reason})
    _flush(out, line)
    return 1 if fatal else 0


def _load(plan: dict, line: Line) -> Recorder:
    controller = cgroup_controller(plan.get("scope"))
    recorder = Recorder(plan, Scope(plan.get("scope"), controller), controller, possible_cpus())
    recorder.load(line)
    return recorder


def _record(recorder: Recorder, out: Output, line: Line, clock: dict, armed_ns: int) -> None:
    """Look at the rings often enough, and at everything on each UTC second, until there is a reason to stop."""
    recorder.begin(out, armed_ns)
    offset = clock["real_ns"] - clock["mono_ns"]
    edge = _next_edge(offset)
    look = time.monotonic() + 0.01
    waiting = False
    while line.reason is None:
        if bool(out.pending) != waiting:
            waiting = not waiting
            line.watch_out(out.fd, waiting=waiting)
        line.wait(min(look - time.monotonic(), (edge - time.monotonic_ns()) / _SECOND))
        out.flush()
        if time.monotonic_ns() >= edge:
            recorder.second(out, (line.pings, line.ping_ns))
            edge = _next_edge(offset, _SECOND // 2)
        elif time.monotonic() >= look:
            look = time.monotonic() + recorder.drain(out)
    recorder.finish(out, (line.pings, line.ping_ns))


def _next_edge(offset: int, least_ns: int = 0) -> int:
    """The monotonic ns of the next UTC second that is at least so far away.

    After a reading that came late, the next may not follow at once: a row belongs to the second in which the middle of
    its span lies, and each second has one at most.
    """
    then = time.monotonic_ns() + offset + least_ns
    return then - then % _SECOND + _SECOND - offset


def _flush(out: Output, line: Line) -> None:
    """Let Santa read the rest as long as it pings, for a minute at most; not at all where nobody reads."""
    patience = {None: _FLUSH_S, "asked": _FLUSH_S, "signal": _LEAVE_S}
    deadline = time.monotonic() + patience.get(line.reason, 0.2)
    line.watch_out(out.fd, waiting=True)
    line.reason = None
    out.flush()
    while out.pending and time.monotonic() < deadline:
        line.wait(0.1)
        if line.reason in ("silence", "signal"):
            return
        out.flush()


def possible_cpus() -> int:
    """How many values a per-CPU map has: the kernel's possible CPUs."""
    text = (procfs.read_file("/sys/devices/system/cpu/possible") or b"0").decode()
    return max(int(n) for n in re.findall(r"\d+", text)) + 1


def hello(recorder: Recorder | None, clock: dict, armed_ns: int) -> dict:
    """The facts of this node, and what is being recorded."""
    return {
        "version": 1,
        "elf": VERSION,
        "boot_id": (procfs.read_file("/proc/sys/kernel/random/boot_id") or b"").decode().strip(),
        "kernel": os.uname().release,
        "machine": platform.machine(),
        "cpus": os.sysconf("SC_NPROCESSORS_ONLN"),
        "possible_cpus": possible_cpus(),
        "clock_tick_hz": os.sysconf("SC_CLK_TCK"),
        "page_bytes": resource.getpagesize(),
        "memory_bytes": checks.memory("MemTotal"),
        "hostname": socket.gethostname(),
        "python": platform.python_version(),
        "bcc": recorder.bcc if recorder else None,
        "clock": clock,
        "armed_ns": armed_ns,
        "cgroup_version": 1 if cgroup_controller() else 2,
        "cgroup_controller": recorder.controller if recorder else cgroup_controller(),
        "tables": recorder.tables if recorder else {},
        "probes": recorder.probes if recorder else {},
        "capabilities": {"bpf_stats": bool(recorder and recorder.timed), "kallsyms": checks.has_kallsyms()},
    }
