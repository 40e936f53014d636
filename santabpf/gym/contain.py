"""A cell: a place on this machine in which a fault can be provoked without harm.

    with contain("short_lived_jobs", Limits(seconds=30)) as cell:
        fault = cell.start(Path("scenarios/short_lived_jobs/reproduce.sh"), ["restart-loop", "10"])
        ...                       # it waits for the word before it does any harm
        fault.go()
        fault.wait()

In: scripts. Out: how they ended, and the control group that a recording can be scoped to. Never: writes outside of the
cell, and never starts one that can't be contained. When the `with` ends, or the runner dies however it may, nothing of
the cell is left: see guardian.py for who cleans up what.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import BadUsage, CannotContain
from ..transport import Transport
from ..units import MIB
from .cell import HOME
from .groups import parse_trees, pick_cpus, plan_groups
from .link import PATIENCE_S, SILENCE_S, Child, Link, Remote

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_FILES_MAX = 1 * MIB
_REFUSAL = "a drill can't be kept within bounds here"
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "SANTABPF_CELL": HOME,  # without it a reproducer refuses to run
    "TMPDIR": "/tmp",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class Limits:
    """What a cell may use. All are hard: the kernel or the guardian enforces them, whatever the script does."""

    seconds: float = 60.0  # then everything in it is killed
    memory_bytes: int = 512 * MIB  # with its tmpfs; the greatest eater is killed
    disk_bytes: int = 64 * MIB  # all it can write
    files: int = 16384
    processes: int = 256  # threads are counted too
    cpus: int = 1  # those with the highest numbers, or as much time; fewer where the machine has fewer
    cpu_percent: int = 0  # of one CPU, in periods of 100 ms, and before all others; 0: what there is
    network: Literal["own", "host"] = "own"  # own: nothing but a loopback of its own


@dataclass(frozen=True)
class Ended:
    """How a script ended. code: exit status, or minus the signal; None when the whole cell was ended over it."""

    code: int | None
    output: str
    why: str


class Script:
    """One script in a cell; the names are those of subprocess.Popen."""

    def __init__(self, cell: Cell, number: int) -> None:
        self._cell, self._number = cell, number
        self.ended: Ended | None = None
        self.over = threading.Event()

    @property
    def returncode(self) -> int | None:
        """Exit status, minus the signal, or None while it runs (and where the cell was ended over it)."""
        return self.ended.code if self.ended else None

    def poll(self) -> int | None:
        """As returncode."""
        return self.returncode

    def go(self) -> None:
        """Give the word: closes the script's standard input, for which a reproducer waits before it does any harm."""
        self._cell._order({"do": "go", "number": self._number})

    def kill(self) -> None:
        """SIGKILL for its process group; what has left the group stays until the cell ends."""
        self._cell._order({"do": "kill", "number": self._number})

    def wait(self, timeout: float | None = None) -> Ended:
        """How it ended. Raises TimeoutError."""
        if not self.over.wait(timeout) or self.ended is None:
            raise TimeoutError(f"the script still runs after {timeout:g} s")
        return self.ended


class Cell:
    """A running cell. cgroup: the folder of its control group, good as {"cgroup": ...} of a recording's scope."""

    def __init__(self, name: str, limits: Limits, transport: Transport | None = None) -> None:
        self.name, self.limits = name, limits
        self.ended = ""  # why the cell ended: closed, time, died
        self.clean = False  # the guardian saw its groups go
        self._scripts: dict[int, Script] = {}
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._over = threading.Event()
        self._groups: list[dict[str, Any]] = []
        self._on_this_machine = transport is None
        self._link: Link = self._begin_here() if transport is None else self._begin_there(transport)
        self._listener = threading.Thread(target=self._listen, name="santabpf-cell", daemon=True)
        self._listener.start()
        first: dict[str, Any] = {}
        while not {"ready", "refused"} & first.keys():
            first = self._wait_for("planned", "ready", "refused")
            self._groups = first.get("planned", self._groups)
        if "refused" in first:
            self.close()
            raise CannotContain(f"{_REFUSAL}: {first['refused'].removeprefix(f'{_REFUSAL}: ')}")
        self.cgroup: str = self._groups[0]["leaf"]

    def _begin_here(self) -> Link:
        """A guardian on this machine, told where its groups go."""
        cpus = pick_cpus(self.limits.cpus)
        trees = parse_trees(_own("cgroup"), _own("mountinfo"))
        link = Child()
        self.guardian_pid = link.pid
        try:
            plan = plan_groups(trees, key=str(link.pid), cpus=cpus, **self._plan())
        except CannotContain:
            link.hang_up()
            list(link.lines())
            raise
        self._groups = [asdict(group) for group in plan.groups]
        config = {"groups": self._groups, "runner": os.getpid(), "silence_s": 0, "allowed": cpus}
        link.send(_line(config | asdict(self.limits)))
        return link

    def _begin_there(self, transport: Transport) -> Link:
        """A guardian on another node, which finds out by itself where its groups go."""
        link = Remote(transport)
        link.send(_line({"plan": self._plan(), "runner": 0, "silence_s": SILENCE_S} | asdict(self.limits)))
        return link

    def _plan(self) -> dict[str, Any]:
        """What decides where its groups go, but for what only the machine itself can tell."""
        limits = self.limits
        bounds = {"memory_bytes": limits.memory_bytes, "processes": limits.processes, "cpu_percent": limits.cpu_percent}
        return {"name": self.name} | bounds

    def start(self, script: Path, args: Sequence[str] = ()) -> Script:
        """Run a script, copied into the cell with the files and folders beside it. It gets no more than a bare PATH.

        Raises CannotContain when the cell has ended, BadUsage when there is no such script.
        """
        if not script.is_file():
            raise BadUsage(f"there is no script {script}")
        number = len(self._scripts) + 1
        self._scripts[number] = made = Script(self, number)
        order = {"do": "start", "number": number, "argv": [f"{HOME}/{script.name}", *args], "env": ENVIRONMENT}
        self._order(order | {"files": _pack(script.parent)})
        self._wait_for("started", "exited", "ended")
        return made

    def wait(self, timeout: float | None = None) -> str:
        """Wait until the cell has ended by itself: "time" or "died". Raises TimeoutError."""
        if not self._over.wait(timeout):
            raise TimeoutError(f"the cell still lives after {timeout:g} s")
        return self.ended

    def close(self) -> None:
        """End the cell and everything in it; returns when it is gone. Never raises."""
        self._link.hang_up()
        self._listener.join()
        if not self.clean and self._on_this_machine:
            from .guardian import remove_groups

            self.clean = remove_groups(self._groups, PATIENCE_S)

    def _order(self, message: dict[str, Any]) -> None:
        if self._over.is_set():
            raise CannotContain(f"the cell of {self.name} has ended: {_ENDS.get(self.ended, self.ended)}")
        self._link.send(_line(message))

    def _wait_for(self, *kinds: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return {"refused": f"its guardian did not answer for {PATIENCE_S:g} s"}
            if any(kind in answer for kind in kinds):
                return answer

    def _listen(self) -> None:
        """Take what the guardian says, until it says no more."""
        output = ""
        for line in self._link.lines():
            answer = json.loads(line)
            if "exited" in answer:
                self._finish(answer["exited"], Ended(answer["code"], answer["output"], answer.get("why", "")))
            if "ended" in answer:
                self.ended, self.clean, output = answer["ended"], answer["clean"], answer["output"]
            self._answers.put(answer)
        self.ended = self.ended or ("lost" if self._link.lost else "killed")
        for number in self._scripts:
            self._finish(number, Ended(None, output, _ENDS.get(self.ended, self.ended)))
        self._over.set()
        self._answers.put({"ended": self.ended, "refused": self._link.lost or _ENDS["killed"]})

    def _finish(self, number: int, ended: Ended) -> None:
        script = self._scripts[number]
        if script.ended is None:
            script.ended = ended
            script.over.set()


_ENDS = {
    "closed": "it was closed",
    "time": "its time was over",
    "died": "its first process was killed",
    "killed": "its guardian was killed",
    "silence": "its guardian heard nothing for some seconds",
    "lost": "the connection broke, and its guardian has ended it there",
}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _own(name: str) -> str:
    try:
        return Path("/proc/self", name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as exc:
        raise CannotContain(f"{_REFUSAL}: it needs Linux ({exc.strerror}: {exc.filename})") from exc


def _pack(folder: Path) -> dict[str, str]:
    """The files of a scenario's folder that scripts may want, small ones only, as base64."""
    files: dict[str, str] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _FILES_MAX:
            content = path.read_bytes()
            total += len(content)
            if total > _FILES_MAX:
                raise BadUsage(f"{folder} holds more than {_FILES_MAX // MIB} MiB; a cell takes no more")
            files[path.relative_to(folder).as_posix()] = base64.b64encode(content).decode()
    return files


@contextmanager
def contain(name: str, limits: Limits | None = None, transport: Transport | None = None) -> Iterator[Cell]:
    """A cell for as long as the `with` lasts: on this machine, or where a transport leads.

    Raises CannotContain, with one sentence that says what is missing.
    """
    if not _NAME.fullmatch(name):
        raise BadUsage(f"a cell's name must match [a-z][a-z0-9_-]*, not {name!r}")
    if transport is None and sys.platform != "linux":
        raise CannotContain(f"{_REFUSAL}: it needs Linux")
    if transport is None and os.geteuid() != 0:
        raise CannotContain(f"{_REFUSAL}: it needs root, for namespaces and control groups")
    cell = Cell(name, limits or Limits(), transport)
    try:
        yield cell
    finally:
        cell.close()
