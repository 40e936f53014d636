"""The recording itself: programs and maps that the compiler made, read and sent in time.

In: the plan, the compiler's messages. Out: frames. Never: the compiler's memory, a wait.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import time

from .. import wire
from . import checks, compile, drain, kernel, maps, mask, procfs, ticks
from .line import Line, Stop
from .output import Output
from .scope import TREE, Scope

_COMPILE_S = 120
_PROC_FRAME = 4 << 20
#: While so much waits to be read by Santa, events stay in the rings, as long as these are not half full.
_ENOUGH = 1 << 20
_FAST_S, _SLOW_S = 0.010, 0.200  # between two looks at the rings


class Recorder:
    """One recording on this node. Load, arm, then drain() and second() until finish()."""

    def __init__(self, plan: dict, scope: Scope, controller: str, possible_cpus: int) -> None:
        self._plan, self._scope, self._controller, self._cpus = plan, scope, controller, possible_cpus
        self.bcc: str | None = None
        self.probes: dict[str, dict] = {}  # name -> state, why, missing
        self.troubles: list[dict] = []
        self._fds: list[int] = []  # links and programs: they live as long as these are open
        self._rings: list[tuple[dict, drain.Ring]] = []
        self._maps: list[tuple[dict, maps.Table]] = []
        self._procs: list[tuple[dict, procfs.Table]] = []
        self._core: dict[str, int] = {}
        self._compiler = {"user_ns": 0, "system_ns": 0, "private_bytes": 0, "sent_bytes": 0}
        self._ticker = ticks.Ticker(possible_cpus, self._compiler)
        self._looked = time.monotonic()

    @property
    def tables(self) -> dict:
        """The tables that are being recorded: {name: {"id"}}."""
        rows = itertools.chain(self._rings, self._maps, self._procs)
        return {spec["name"]: {"id": spec["id"]} for spec, _ in rows}

    # ------------------------------------------------------------------------------------------------- making

    def load(self, line: Line) -> None:
        """Compile and attach everything. Raises Stop; failures become troubles."""
        for spec in self._plan["probes"]:
            if not spec["source"]:
                self.probes[spec["name"]] = {"state": "on", "why": None, "missing": []}
                self._add_procs(spec)
        if "core" not in self._plan:
            return
        pid, messages = compile.start(self._plan, (self._scope.mode, self._scope.number), self._controller)
        messages.setblocking(False)  # socket.recv_fds() drops its flags (CPython 3.9 to 3.11 at least)
        line.watch(messages.fileno())
        deadline = time.monotonic() + _COMPILE_S
        try:
            while self._hear(messages):
                line.wait(deadline - time.monotonic())
                if line.reason:
                    raise Stop(line.reason)
                if time.monotonic() > deadline:
                    self._fail_rest(f"compiling took more than {_COMPILE_S} s")
                    break
        finally:
            line.unwatch(messages.fileno())
            messages.close()
            os.kill(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
            shutil.rmtree(compile.shared_place(pid), ignore_errors=True)
            self._compiler.update(
                user_ns=round(used.ru_utime * 1e9), system_ns=round(used.ru_stime * 1e9),
                private_bytes=used.ru_maxrss * 1024,
            )  # fmt: skip
        self._fail_rest("the compiler died" + (f" of signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else ""))

    def _hear(self, messages: socket.socket) -> bool:
        """Take the compiler's messages; False once there will be no more."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(messages, 1 << 18, 253)
            except BlockingIOError:
                return True
            if not data:
                return False
            message = json.loads(data)
            if message["event"] == "done":
                return False
            if message["event"] == "ready":
                self.bcc = message["bcc"]
            elif message["event"] == "failed":
                why = message["why"]
                self.troubles.append(checks.bcc_missing(why) if message["code"] == "no_bcc" else self._core_failed(why))
                return False
            elif message["name"] == "core":
                self._take_core(message, fds)
            else:
                self._take_probe(message, fds)

    def _core_failed(self, why: str) -> dict:
        if "super-user" in why or "not permitted" in why.lower():
            return checks.not_permitted(why)
        return checks.trouble("internal", f"the programs could not be compiled: {why}", fatal=True)

    def _take_core(self, message: dict, fds: list) -> None:
        if message["state"] == "failed":
            self.troubles.append(self._core_failed(message["why"]))
            return
        for i, fd in enumerate(fds):
            kind, name = message["labels"][i]
            self._fds.append(fd)
            if kind == "map":
                self._core[name] = fd
            elif kind == "program":
                self._ticker.add_program("core/" + name, fd)

    def _take_probe(self, message: dict, fds: list) -> None:
        name = message["name"]
        if message["state"] == "failed":
            self._fail(name, message["why"])
            return
        self.probes[name] = {key: message[key] for key in ("state", "why", "missing")}
        spec = next(p for p in self._plan["probes"] if p["name"] == name)
        tables = {t["name"]: t for t in spec["tables"]}
        self._add_procs(spec)
        for i, fd in enumerate(fds):
            kind, label = message["labels"][i]
            self._fds.append(fd)
            if kind == "program":
                self._ticker.add_program(f"{name}/{label}", fd)
            elif label == "santa_counts":
                self._ticker.add_probe(fd, spec["tables"])
            elif kind == "map" and tables[label]["source"] == "ring":
                table = tables[label]
                self._rings.append((table, drain.Ring(fd, table["ring_bytes"], table["record_bytes"])))
            elif kind == "map":
                self._maps.append((tables[label], maps.Table(fd, tables[label], self._cpus)))

    def _add_procs(self, spec: dict) -> None:
        masked = bool(self._plan.get("mask", True))
        self._procs += [(t, procfs.Table(t, masked=masked)) for t in spec["tables"] if t["source"] == "proc"]

    def _fail(self, name: str, why: str) -> None:
        self.probes[name] = {"state": "failed", "why": why, "missing": []}
        self._ticker.dead.append(name)
        self.troubles.append(checks.trouble("probe_failed", f"probe {name} can't be used here: {why}", probe=name))

    def _fail_rest(self, why: str) -> None:
        """What has not been loaded by now never will be; where nothing can be, that is said once."""
        if not self._core and not any(t["fatal"] for t in self.troubles):
            self.troubles.append(self._core_failed(why))
        fatal = next((t["message"] for t in self.troubles if t["fatal"]), None)
        for spec in self._plan["probes"]:
            if spec["name"] in self.probes:
                continue
            if fatal is None:
                self._fail(spec["name"], why)
            else:
                self.probes[spec["name"]] = {"state": "failed", "why": fatal, "missing": []}

    # ------------------------------------------------------------------------------------------------- running

    def arm(self) -> int:
        """All tables start: the monotonic ns from which they are complete."""
        if self._core:
            try:
                self._fds.append(kernel.enable_stats())
                self._ticker.timed = True
            except OSError:
                pass  # not allowed to: runs and times are unknown, which a tick says
            self._scope.fill_tree(self._core["santa_tree"])
        self._ticker.begin()
        return ticks.arm(self._core["santa_armed"]) if self._core else time.monotonic_ns()

    @property
    def timed(self) -> bool:
        """Does the kernel count how long programs run?"""
        return self._ticker.timed

    def begin(self, out: Output, armed_ns: int) -> None:
        """The first readings, from which differences are taken: maps were empty when the gate opened."""
        for spec, _ in self._maps:
            out.data(wire.MAP, spec["id"], armed_ns, b"", 0)
        self._read_procs(out, first=True)

    def drain(self, out: Output, *, edge: bool = False, last: bool = False) -> float:
        """Send what is in the rings; the seconds until the next look. At an edge each ring sends its watermark.

        Where Santa reads too slowly, events wait in the ring rather than here, but not the last time.
        """
        now = time.monotonic()
        fullest = 0.0
        for spec, ring in self._rings:
            more, first = True, True
            while more:
                if out.pending > _ENOUGH and ring.waiting < 0.5 and not last:
                    break
                taken, more = ring.take()
                if first:
                    fullest = max(fullest, ring.fill)
                if taken or (edge and first):
                    records = len(taken) // ring.stride
                    if spec["argv"] and self._plan.get("mask", True):
                        taken = mask.mask_records(taken, ring.stride, spec["argv"])
                    out.data(wire.RING, spec["id"], ring.mark, taken, records)
                    out.flush()
                first = False
        rate = fullest / max(now - self._looked, 0.001)
        self._looked = now
        return min(max(0.2 / rate, _FAST_S), _SLOW_S) if rate else _SLOW_S

    def second(self, out: Output, ping: tuple, *, last: bool = False) -> None:
        """What is due on each second edge: watermarks, maps, /proc, and the tick (see Ticker.tick)."""
        self.drain(out, edge=True, last=last)
        for spec, table in self._maps:
            now = time.monotonic_ns()
            out.data(wire.MAP, spec["id"], now, table.read(), 0)
        self._read_procs(out, first=False)
        out.message(wire.TICK, time.monotonic_ns(), self._ticker.tick(out, self._selfcheck, ping))
        self._say_if_tree_is_full(out)
        out.flush()

    def finish(self, out: Output, ping: tuple) -> None:
        """Shut the gate, send what is left."""
        if self._core:
            ticks.arm(self._core["santa_armed"], on=False)
            time.sleep(0.002)  # programs that were running have ended
        self.second(out, ping, last=True)

    @property
    def _selfcheck(self) -> bool:
        return any(p.get("selfcheck") for p in self._plan["probes"])

    def _read_procs(self, out: Output, *, first: bool) -> None:
        members = self._scope.members() if any(spec["each_process"] for spec, _ in self._procs) else None
        for spec, table in self._procs:
            if first or spec["when"] == "second":
                now = time.monotonic_ns()
                for part in _parts(table.read(members)):
                    if not out.data(wire.PROC, spec["id"], now, wire.pack_files(part), len(part)):
                        table.forget()
                out.flush()

    def _say_if_tree_is_full(self, out: Output) -> None:
        if self._scope.mode != TREE or any(t["code"] == "scope_full" for t in self.troubles):
            return
        value = kernel.map_lookup(self._core["santa_tree_full"], b"\0\0\0\0", 8)
        if value and any(value):
            why = "the process tree has more processes than the elf can follow at once; some are not recorded"
            self.troubles.append(checks.trouble("scope_full", why, "record a cgroup, or the whole node"))
            out.message(wire.TROUBLE, time.monotonic_ns(), self.troubles[-1])


def _parts(files: dict) -> list:
    """The files in groups that fit in a frame each; one group even where there is no file."""
    parts: list[dict] = [{}]
    size = 0
    for name, text in files.items():
        if parts[-1] and size + len(text) > _PROC_FRAME:
            parts.append({})
            size = 0
        parts[-1][name] = text
        size += len(name) + len(text) + 6
    return parts
