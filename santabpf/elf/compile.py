"""The compiler: a forked child that imports bcc, loads and attaches programs, hands their descriptors over, and goes.

In: the plan. Out, over a socket: one JSON message a probe, with descriptors of its maps, programs and links. Never: a
file that stays, memory of LLVM in the elf itself. Programs stay attached while somebody holds their descriptors.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Callable
from typing import Any

from . import attach, btf, checks, fit, formats, kernel, stubs

#: Where the private tmpfs with the stub headers is mounted, in the child's own mount namespace.
_PLACES = ("/tmp", "/run", "/mnt")
_TRACEFS = "/sys/kernel/tracing"
_WORTH_IT, _SPARE_BYTES = 3, 1 << 30  # probes, and memory, from which on two compile side by side; each takes 130 MB
_QUICK = ["-Wno-unused-function", "-g0"]  # nobody reads the debug information, which takes a tenth of the time
_MAX_FDS = 250  # SCM_MAX_FD is 253, include/net/scm.h


def start(plan: dict, scope_define: tuple[int, int], cgroup: str) -> tuple[int, socket.socket]:
    """Fork the compiler; its process id and the socket on which it reports."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    code = 1
    try:
        kernel.die_with_parent()
        ours.close()
        os.nice(19)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        _run(plan, scope_define, cgroup, theirs)
        code = 0
    except BaseException as exc:  # the parent must hear of it, whatever it is
        no_bcc = isinstance(exc, _NoBCC)
        why = str(exc) if no_bcc else f"{type(exc).__name__}: {exc}"
        _say(theirs, {"event": "failed", "code": "no_bcc" if no_bcc else "internal", "why": why}, [])
    finally:
        os._exit(code)


def _run(plan: dict, scope: tuple[int, int], cgroup: str, out: socket.socket) -> None:
    _catch_errors()
    os.environ["BCC_KERNEL_SOURCE"] = _make_private()
    try:
        import bcc
        from bcc import BPF
    except ImportError as exc:
        raise _NoBCC(str(exc)) from exc
    types, known = btf.BTF.of_kernel(), formats.Formats(_TRACEFS + "/events")
    common = [*_cgroup_defines(types, cgroup), f"-DSANTA_SCOPE={scope[0]}", f"-DSANTA_SCOPE_ID={scope[1]}ULL"]
    _say(out, {"event": "ready", "bcc": bcc.__version__}, [])
    kept = []  # the core object must outlive the others: they share its maps

    def load(spec: dict) -> None:
        started = time.monotonic_ns()
        try:
            module, message, labels, fds = _load(BPF, types, known, spec, common)
            message["ns"] = time.monotonic_ns() - started
            _hand_over(out, message, labels, fds)
            if spec["name"] == "core":
                kept.append(module)
            else:
                attach.let_go(module)
        except Exception as exc:  # one probe that fails must not take the others with it
            why = f"{exc}{_tail()}"
            _say(out, {"event": "probe", "name": spec["name"], "state": "failed", "why": why, "missing": []}, [])
        _forget_errors()

    load(dict(plan["core"], name="core", needs=[], params={}, attach=[], tables=[]))
    second_bytes = _each([spec for spec in plan["probes"] if spec["source"]], load)
    _say(out, {"event": "done", "second_bytes": second_bytes}, [])


def _each(specs: list, load: Callable[[dict], None]) -> int:
    """Load them all, the longest first; side by side with a second process where there is a CPU and memory to spare: it
    takes about half the time then. What that one took of memory, in bytes; part of it is shared with the first.
    """
    waiting, filled = os.pipe()  # numbers of those that nobody has taken yet
    for number in sorted(range(len(specs)), key=lambda i: (-len(specs[i]["attach"]), -len(specs[i]["source"]), i)):
        os.write(filled, number.to_bytes(2, "little"))
    os.close(filled)

    def work() -> None:
        while number := os.read(waiting, 2):
            load(specs[int.from_bytes(number, "little")])

    has_room = len(os.sched_getaffinity(0)) > 1 and (checks.memory("MemAvailable") or 0) >= _SPARE_BYTES
    if len(specs) < _WORTH_IT or not has_room:
        work()
        return 0
    second = os.fork()
    if second == 0:
        try:
            kernel.die_with_parent()
            _catch_errors()
            work()
        finally:
            os._exit(0)  # what it could not load, the elf finds missing at the end
    work()
    os.waitpid(second, 0)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


class _NoBCC(Exception):
    """python3-bpfcc is not installed."""


def _load(BPF: Any, types: btf.BTF, known: formats.Formats, spec: dict, common: list) -> tuple:
    """Compile and attach one probe: its module, the message about it, and its descriptors with their labels."""
    found = fit.fit(spec, types, known, fit.find_function)
    flags = [f"-D{name}={value}" for name, value in found.defines.items()]
    flags += [f"-D{name}={value}ULL" for name, value in spec["params"].items()]
    text = found.declarations + spec["source"]
    module = BPF(text=text, cflags=common + flags + _QUICK)
    attach.attach(module, found.points, spec, fit.find_function)
    labels, fds = attach.handed_over(module, spec)
    message = {"event": "probe", "name": spec["name"], "state": found.state, "why": found.why, "missing": found.missing}
    return module, message, labels, fds


def _cgroup_defines(types: btf.BTF, controller: str) -> list:
    """Where in a task's css_set its cgroup hangs: v2's default group, or the v1 controller whose groups are used."""
    slot = types.resolve("css_set.dfl_cgrp")
    if controller:
        first = types.resolve("css_set.subsys")
        index = types.resolve(f"enum cgroup_subsys_id.{controller}_cgrp_id")
        slot = None if first is None or index is None else first + 8 * index
    needed = ("task_struct.cgroups", "cgroup.kn", "kernfs_node.id", "kernfs_node.name", "cgroup_subsys_state.cgroup")
    if any(types.resolve(e) is None for e in (*needed, "kernfs_node.__parent|kernfs_node.parent")):
        slot = None
    return [f"-DSANTA_CGROUP_SLOT={btf.ABSENT if slot is None else slot}", f"-DSANTA_CGROUP_V1={int(bool(controller))}"]


def shared_place(compiler: int) -> str:
    """Where the headers are when they can't be hidden; whoever started the compiler removes it."""
    return f"/dev/shm/santabpf-{compiler}"


def _make_private() -> str:
    """A folder with the stub headers that goes with this process, and tracefs where it is not mounted."""
    try:
        kernel.private_mounts()
        place = next(p for p in _PLACES if os.path.isdir(p))
        kernel.mount("santabpf", place, "tmpfs")
        if not os.path.exists(_TRACEFS + "/events"):
            with contextlib.suppress(OSError):  # raw tracepoints do without; a probe that needs it will say so
                kernel.mount("santabpf", _TRACEFS, "tracefs")
        root = place + "/santabpf"
    except (OSError, StopIteration):  # without CAP_SYS_ADMIN: in memory too, but others see it
        root = shared_place(os.getpid())
        os.mkdir(root, 0o700)
    for name, text in stubs.HEADERS.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as stream:
            stream.write(text)
    return root


def _catch_errors() -> None:
    """What clang and the verifier think goes into a file in memory, as stderr."""
    errors = os.memfd_create("errors")
    os.dup2(errors, 2)
    os.close(errors)


def _forget_errors() -> None:
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)


def _tail() -> str:
    """The last lines of what clang or the verifier said, whole ones."""
    size = os.fstat(2).st_size
    lines = os.pread(2, 2000, max(0, size - 2000)).decode(errors="replace").strip().splitlines()
    whole = lines[1:] if size > 2000 and len(lines) > 1 else lines
    return ": " + " | ".join(whole[-6:]) if whole else ""


def _hand_over(out: socket.socket, message: dict, labels: list, fds: list) -> None:
    """The message with all descriptors; those that one message can't take go ahead of it."""
    while len(fds) > _MAX_FDS:
        part = {"event": "more", "name": message["name"], "labels": labels[:_MAX_FDS]}
        _say(out, part, fds[:_MAX_FDS])
        labels, fds = labels[_MAX_FDS:], fds[_MAX_FDS:]
    _say(out, dict(message, labels=labels), fds)


def _say(out: socket.socket, message: dict, fds: list) -> None:
    socket.send_fds(out, [json.dumps(message).encode()], fds)
