"""The first process inside a cell: it shuts the cell, then starts what it is told to and reaps what is left of it.

In: orders, as lines of JSON on a socket from the guardian. Out: answers on the same socket; what the scripts print goes
to a pipe. Never: imports anything but the standard library, or lives longer than the guardian.

The cell is a mount, pid, network, UTS and IPC namespace. Every file system in it is read-only but for one tmpfs, which
is /tmp, /var/tmp and /dev/shm at once; the network is a loopback of its own; the host is called "drill". When this
process ends, the kernel kills everything in the cell, and the tmpfs is gone with the last of it.

A script is root in there and may mount more: a small tmpfs that takes set-user-ID bits (/tmp takes none), files laid
over those of /etc. That is in the cell's mount namespace only, and goes with it.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
from typing import Any

NAME = "santabpf-drill"  # 14 bytes: fits a comm
HOME = "/tmp/drill"

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture; since Linux 5.12
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP = 1, 24
# What no drill needs and what a mount namespace does not hold back: raw hardware, kernel modules, reboot, the clock.
_CAPS_DROPPED = {"sys_rawio": 17, "sys_module": 16, "sys_boot": 22, "sys_time": 25}

libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """The cell could not be shut; says which step failed."""


def check(result: int, what: str) -> None:
    """Turn a C call's -1 into Refused."""
    if result == -1:
        raise Refused(f"{what} failed: {os.strerror(ctypes.get_errno())}")


def live(sock: socket.socket, output: int, config: dict[str, Any]) -> None:
    """Be the cell's first process until the guardian hangs up. Runs in a forked child and must never return."""
    try:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        shut(config)
        send(sock, {"ready": True})
        _Orders(sock, output, config).serve()
    except Refused as exc:
        send(sock, {"refused": str(exc)})
    except OSError as exc:
        send(sock, {"refused": f"{exc.filename or 'a system call'}: {exc.strerror}"})
    finally:
        os._exit(0)


def send(sock: socket.socket, message: dict[str, Any]) -> None:
    """One line of JSON; nothing when the other side is gone."""
    try:
        sock.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        return


def shut(config: dict[str, Any]) -> None:
    """Enter the control groups and namespaces, and make everything but the tmpfs read-only."""
    for leaf in config["leaves"]:
        with open(f"{leaf}/cgroup.procs", "w") as file:
            file.write("0")
    os.sched_setaffinity(0, config["allowed"])
    with open("/proc/self/comm", "w") as file:
        file.write(NAME)
    hide_command_line()
    network = _CLONE_NEWNET if config["network"] == "own" else 0
    check(libc.unshare(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | network), "unshare")
    mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    check(
        libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)),
        "making the file systems read-only (mount_setattr, Linux 5.12)",
    )
    size = f"size={config['disk_bytes']},nr_inodes={config['files']},mode=1777"
    mount("santabpf-drill", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, size)
    for name, place in (("var-tmp", "/var/tmp"), ("shm", "/dev/shm"), ("srv", "/srv")):
        os.mkdir(f"/tmp/.{name}")
        os.chmod(f"/tmp/.{name}", 0o1777)
        if os.path.isdir(place):
            mount(f"/tmp/.{name}", place, None, _MS_BIND)
    mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    check(libc.sethostname(b"drill", 5), "sethostname")
    os.mkdir(HOME)
    os.chdir(HOME)
    if network:
        raise_loopback()


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    texts = [None if text is None else text.encode() for text in (source, target, kind, data)]
    check(libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]), f"mount on {target}")


def hide_command_line() -> None:
    """Show only NAME in /proc/self/cmdline: the paths in ours are the machine's and must not come into a recording."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    first, last = int(fields[45]), int(fields[46])  # arg_start and arg_end: fields 48 and 49 of proc(5)
    ctypes.memset(first, 0, last - first)
    ctypes.memset(last - 1, 1, 1)  # no NUL at the end: the kernel then shows one string, up to the first NUL
    ctypes.memmove(first, NAME.encode(), min(len(NAME), last - first - 2))


def raise_loopback() -> None:
    """ifconfig lo up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(sock, 0x8913, request))[1]  # SIOCGIFFLAGS
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP


class _Orders:
    """Reads orders, starts scripts, tells how they ended."""

    def __init__(self, sock: socket.socket, output: int, config: dict[str, Any]) -> None:
        self._sock, self._output, self._config = sock, output, config
        self._running: dict[int, int] = {}  # pid -> the order's number
        self._inputs: dict[int, int] = {}  # number -> the writing end of its standard input
        self._wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the guardian hangs up."""
        rest = b""
        orders = self._sock.fileno()
        while True:
            ready, _, _ = select.select([orders, self._wake], [], [])
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if orders in ready:
                data = self._sock.recv(1 << 20)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._running.pop(pid, None)
            if number is not None:
                self._close_input(number)
                send(self._sock, {"exited": number, "code": os.waitstatus_to_exitcode(status)})

    def _close_input(self, number: int) -> None:
        end = self._inputs.pop(number, None)
        if end is not None:
            os.close(end)

    def _obey(self, order: dict[str, Any]) -> None:
        number = order["number"]
        if order["do"] == "start":
            try:
                self._start(number, order)
            except OSError as exc:
                send(self._sock, {"exited": number, "code": 126, "why": f"{order['argv'][0]}: {exc.strerror}"})
        elif order["do"] == "go":
            self._close_input(number)
        elif order["do"] == "kill":
            for pid, running in self._running.items():
                if running == number:
                    os.killpg(pid, signal.SIGKILL)

    def _start(self, number: int, order: dict[str, Any]) -> None:
        for name, content in order["files"].items():
            path = os.path.join(HOME, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(base64.b64decode(content))
            os.chmod(path, 0o755)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._become(order, reading)
            finally:
                os._exit(127)
        os.close(reading)
        self._running[pid] = number
        self._inputs[number] = writing
        send(self._sock, {"started": number})

    def _become(self, order: dict[str, Any], reading: int) -> None:
        """In the child: turn into the script."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(reading, 0)
        os.dup2(self._output, 1)
        os.dup2(self._output, 2)
        os.closerange(3, 4096)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
        for what, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, self._config["disk_bytes"])):
            resource.setrlimit(what, (limit, limit))
        for capability in _CAPS_DROPPED.values():
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.chdir(HOME)
        os.execve(order["argv"][0], order["argv"], order["env"])
