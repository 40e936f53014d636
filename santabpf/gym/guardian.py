"""The process that stands between a drill's runner and its cell, and cleans up whatever happens to the runner.

In: one line of JSON with the cell's groups and limits, then orders, on standard input. Out: answers, as lines of JSON,
on standard output. Never: imports anything but the standard library, cell.py and, for a runner on another node,
groups.py; runs anything of the drill itself.

It ends the cell (kills what runs there, removes the control groups) when the runner hangs up or dies, or, from another
node, is not heard of for some seconds; when the time is over, on SIGTERM, or when the cell's first process ends. When
the guardian itself is killed, the kernel kills the cell; then the empty control groups stay, unlocked, until the
runner's clean-up or the next drill on this machine.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any, NoReturn

from . import cell

KEEP_OUTPUT = 8192  # far below a pipe's size, so that a runner that stands still cannot hold up the guardian
CLEAN_S = 10.0
_CLONE_NEWPID = 0x20000000


def make_groups(groups: list[dict[str, Any]]) -> int:
    """Make the folders, take the lock that says they are in use, write the limits. Returns the lock's descriptor."""
    lock = -1
    for group in groups:
        os.makedirs(group["leaf"])
        if lock < 0:
            lock = os.open(group["top"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path, value in group["writes"]:
            if "sw" in os.path.basename(path) and not os.path.exists(path):
                continue  # swap is not accounted for on this kernel, so there is nothing to limit
            with open(path, "w") as file:
                file.write(value)
    return lock


def remove_groups(groups: list[dict[str, Any]], patience_s: float = 0.0) -> bool:
    """Kill what is left in the groups and remove them, the locked one last. True when all are gone."""
    deadline = time.monotonic() + patience_s
    while True:
        left = False
        for group in reversed(groups):
            kill_group(group["leaf"])
            for folder in (group["leaf"], group["top"]):
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    pass
                except OSError:
                    left = True
        if not left or time.monotonic() >= deadline:
            return not left
        time.sleep(0.02)


def kill_group(leaf: str) -> None:
    """SIGKILL for every process in one group."""
    try:
        with open(f"{leaf}/cgroup.kill", "w") as file:
            file.write("1")
        return
    except OSError:
        pass  # version 1, or Linux before 5.14
    try:
        with open(f"{leaf}/cgroup.procs") as file:
            pids = [int(line) for line in file]
    except OSError:
        return
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def sweep(groups: list[dict[str, Any]]) -> None:
    """Remove empty groups of earlier drills whose guardian is gone: no such process, and nobody holds their lock."""
    identity = os.path.dirname(groups[0]["top"])
    prefix = os.path.basename(groups[0]["top"]).rpartition("-")[0] + "-"
    parents = [identity] + [os.path.dirname(group["top"]) for group in groups[1:]]
    for parent in parents[1:] + parents[:1]:
        for top in glob.glob(f"{glob.escape(parent)}/{prefix}*"):
            key = top.rpartition("-")[2]
            if not is_alive(key) and not in_use(f"{identity}/{os.path.basename(top)}"):
                for folder in [*glob.glob(f"{glob.escape(top)}/*/"), top]:
                    with suppress(OSError):  # gone already, or something runs there: then it is not ours to judge
                        os.rmdir(folder)


def is_alive(pid: str) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def in_use(folder: str) -> bool:
    """Whether a guardian holds this folder's lock."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class Guardian:
    """One cell, from its making to its end."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.groups: list[dict[str, Any]] = config.get("groups", [])
        self.output = b""
        self.reason = ""

    def run(self, orders: bytes) -> None:
        """Make the cell, serve it, end it. orders: what came on standard input after the configuration."""
        init = 0
        try:
            if "plan" in self.config:
                self._plan()
            sweep(self.groups)
            lock = make_groups(self.groups)
            self.sock, inner = socket.socketpair()
            self.pipe, writing = os.pipe()
            cell.check(cell.libc.unshare(_CLONE_NEWPID), "unshare of the pid namespace")
            init = os.fork()
            if init == 0:
                os.close(lock)
                os.close(0)
                os.dup2(writing, 1)
                self.sock.close()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                cell.live(inner, writing, self.config | {"leaves": [group["leaf"] for group in self.groups]})
            inner.close()
            os.close(writing)
            os.set_blocking(self.pipe, False)
            self._serve(init, orders)
        except cell.Refused as exc:
            tell({"refused": str(exc)})
        except OSError as exc:
            tell({"refused": f"{exc.filename or 'a system call'}: {exc.strerror}"})
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if init:
                os.kill(init, signal.SIGKILL)
                os.waitpid(init, 0)  # returns when everything in the pid namespace is gone
                self._drain()
            clean = remove_groups(self.groups, CLEAN_S)
            tell({"ended": self.reason, "clean": clean, "output": self.output.decode("utf-8", "backslashreplace")})

    def _plan(self) -> None:
        """Find out where groups can be made here; the runner, on another node, could not. Tells the runner."""
        from ..errors import CannotContain
        from . import groups

        try:
            texts = [groups.read(f"/proc/self/{name}") for name in ("cgroup", "mountinfo")]
            self.config["allowed"] = groups.pick_cpus(self.config["cpus"])
            plan = groups.plan_groups(
                groups.parse_trees(*texts), key=str(os.getpid()), cpus=self.config["allowed"], **self.config["plan"]
            )
        except CannotContain as exc:
            raise cell.Refused(exc.message) from exc
        self.groups = [vars(group) for group in plan.groups]
        tell({"planned": self.groups})

    def _serve(self, init: int, orders: bytes) -> None:
        # a forked child of the runner may keep our pipe open; on another node there is no runner, but its pings
        runner = os.pidfd_open(self.config["runner"]) if self.config["runner"] else -1
        silence = self.config["silence_s"] or float("inf")
        first = os.pidfd_open(init)
        deadline = time.monotonic() + self.config["seconds"]
        heard = time.monotonic()
        poll = select.poll()
        for fd in (0, first, self.sock.fileno(), self.pipe, *([runner] if runner >= 0 else [])):
            poll.register(fd, select.POLLIN)
        answers = b""
        if orders:
            self.sock.sendall(orders)
        while not self.reason:
            until = min(deadline, heard + silence)
            ready = {fd for fd, _ in poll.poll(max(0, int((until - time.monotonic()) * 1000)))}
            if self.pipe in ready and not self._drain():
                poll.unregister(self.pipe)
            if self.sock.fileno() in ready:
                data = self.sock.recv(65536)
                *lines, answers = (answers + data).split(b"\n")
                for line in lines:
                    self._answer(json.loads(line))
            if 0 in ready:
                data = os.read(0, 1 << 20)
                heard = time.monotonic()
                if data:
                    self.sock.sendall(data)
                else:
                    self.reason = "closed"
            if runner in ready:
                self.reason = "closed"
            elif first in ready and not self.reason:
                self.reason = "died"
            elif time.monotonic() >= deadline and not self.reason:
                self.reason = "time"
            elif time.monotonic() >= heard + silence and not self.reason:
                self.reason = "silence"

    def _answer(self, answer: dict[str, Any]) -> None:
        self._drain()
        if "exited" in answer:
            answer["output"] = self.output.decode("utf-8", "backslashreplace")
        tell(answer)

    def _drain(self) -> bool:
        """Take what the scripts have printed, keep the end of it. False when nobody can print any more."""
        while True:
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.output = (self.output + data)[-KEEP_OUTPUT:]


def tell(message: dict[str, Any]) -> None:
    """One line to the runner; nothing when it is gone."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        return


def main() -> None:
    """Read the configuration and guard."""

    def terminate(number: int, frame: object) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    data = b""
    while b"\n" not in data:
        more = os.read(0, 65536)
        if not more:
            return
        data += more
    line, _, rest = data.partition(b"\n")
    Guardian(json.loads(line)).run(rest)
