"""The recording itself: programs and maps that the compiler made, read and sent in time.

In: the plan, the compiler's messages. Out: frames. Never: the compiler's memory, a wait.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import time

from .. import wire
from . import cgroups, checks, compile, drain, kernel, mappings, maps, mask, procfs, ticks
from .line import Line, Stop
from .output import Output
from .scope import TREE, Scope

_COMPILE_S = 300  # for one probe; the heaviest takes 6 s of CPU time, and where it is emulated 100 s
_PROC_FRAME = 4 << 20
#: While so much waits to be read by Santa, events stay in the rings, as long as these are not half full.
_ENOUGH = 1 << 20
_FAST_S, _SLOW_S = 0.010, 0.200  # between two looks at the rings
_RUN_S = 0.010  # no program runs for so long, where the kernel can't say


class Recorder:
    """One recording on this node. Load, arm, then drain() and second() until finish()."""

    def __init__(self, plan: dict, scope: Scope, controller: str, possible_cpus: int) -> None:
        self._plan, self._scope, self.controller, self._cpus = plan, scope, controller, possible_cpus
        self.bcc: str | None = None
        self.probes: dict[str, dict] = {}  # name -> state, why, missing
        self.troubles: list[dict] = []
        self._fds: list[int] = []  # links and programs: they live as long as these are open
        self._rings: list[tuple[dict, drain.Ring]] = []
        self._maps: list[tuple[dict, maps.Table]] = []
        self._procs: list[tuple[dict, procfs.Table]] = []
        self._core: dict[str, int] = {}
        self._ahead: dict[str, tuple[list, list]] = {}  # of a probe: labels and descriptors that have come so far
        self._cgroups: cgroups.Cgroups | None = None
        self._compiler = {"user_ns": 0, "system_ns": 0, "private_bytes": 0, "sent_bytes": 0}
        self._ticker = ticks.Ticker(possible_cpus, self._compiler)
        self._looked = time.monotonic()
        self._mappings: mappings.Mappings | None = None
        self._unmapped = ""  # why there is none, though it was asked for

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
        _allow_descriptors()
        pid, messages = compile.start(self._plan, (self._scope.mode, self._scope.number), self.controller)
        messages.setblocking(False)  # socket.recv_fds() drops its flags (CPython 3.9 to 3.11 at least)
        line.watch(messages.fileno())
        deadline, known = time.monotonic() + _COMPILE_S, 0
        try:
            while self._hear(messages):
                if len(self.probes) > known:
                    deadline, known = time.monotonic() + _COMPILE_S, len(self.probes)
                line.wait(deadline - time.monotonic())
                if line.reason:
                    raise Stop(line.reason)
                if time.monotonic() > deadline:
                    self._fail_rest(f"compiling one took more than {_COMPILE_S} s")
                    break
        finally:
            line.unwatch(messages.fileno())
            messages.close()
            os.kill(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
            shutil.rmtree(compile.shared_place(pid), ignore_errors=True)
            self._compiler.update(
                user_ns=round(used.ru_utime * 1e9), system_ns=round(used.ru_stime * 1e9),
                private_bytes=self._compiler["private_bytes"] + used.ru_maxrss * 1024,
            )  # fmt: skip
        self._fail_rest("the compiler died" + (f" of signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else ""))
        self.probes = {spec["name"]: self.probes[spec["name"]] for spec in self._plan["probes"]}  # in their order

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
                self._compiler["private_bytes"] = message["second_bytes"]
                return False
            labels, held = self._ahead.setdefault(message.get("name", ""), ([], []))
            labels += message.get("labels", [])
            held += fds
            if message["event"] == "more":
                continue
            if message["event"] == "ready":
                self.bcc = message["bcc"]
            elif message["event"] == "failed":
                why = message["why"]
                self.troubles.append(checks.bcc_missing(why) if message["code"] == "no_bcc" else self._core_failed(why))
                return False
            elif len(labels) != len(held):
                self._fail(message["name"], f"{len(held)} of its {len(labels)} descriptors came: too many are open")
            elif message["name"] == "core":
                self._take_core(message, labels, held)
            else:
                self._take_probe(message, labels, held)

    def _core_failed(self, why: str) -> dict:
        if "super-user" in why or "not permitted" in why.lower():
            return checks.not_permitted(why)
        return checks.trouble("internal", f"the programs could not be compiled: {why}", fatal=True)

    def _take_core(self, message: dict, labels: list, fds: list) -> None:
        if message["state"] == "failed":
            self.troubles.append(self._core_failed(message["why"]))
            return
        for i, fd in enumerate(fds):
            kind, name = labels[i]
            self._fds.append(fd)
            if kind == "map":
                self._core[name] = fd
            elif kind == "program":
                self._ticker.add_program("core/" + name, fd)

    def _take_probe(self, message: dict, labels: list, fds: list) -> None:
        name = message["name"]
        if message["state"] == "failed":
            self._fail(name, message["why"])
            return
        self.probes[name] = {key: message[key] for key in ("state", "why", "missing")}
        spec = next(p for p in self._plan["probes"] if p["name"] == name)
        tables = {t["name"]: t for t in spec["tables"]}
        self._add_procs(spec)
        for i, fd in enumerate(fds):
            kind, label = labels[i]
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
        for table in spec["tables"]:
            if table["source"] == "proc":
                self._procs.append((table, procfs.Table(table, masked=masked)))
                self._ticker.add_proc(table, self._procs[-1][1])

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
            met, entries = self._core["santa_cgroups_met"], self._plan["core"]["cgroups"]
            self._cgroups = cgroups.Cgroups(self._core["santa_cgroups"], met, entries)
        if self._plan.get("mappings"):
            try:
                self._mappings = mappings.Mappings()
                self._mappings.begin(self._scope.members())
            except OSError as exc:
                self._unmapped = str(exc)
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
        if self._unmapped:
            why = f"which files processes map can't be seen, so frames of programs have no names: {self._unmapped}"
            out.message(wire.TROUBLE, time.monotonic_ns(), checks.trouble("no_mappings", why))
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
        if self._mappings is not None:
            for piece in self._mappings.take():
                records = wire.pack_files({"mappings": piece})
                out.data(wire.PROC, wire.MAPPED, time.monotonic_ns(), records, mappings.count(piece))
                out.flush()
            fullest = max(fullest, self._mappings.fill)
        rate = fullest / max(now - self._looked, 0.001)
        self._looked = now
        return min(max(0.2 / rate, _FAST_S), _SLOW_S) if rate else _SLOW_S

    def second(self, out: Output, ping: tuple, *, last: bool = False) -> None:
        """What is due on each second edge: watermarks, maps, /proc, and the tick (see Ticker.tick)."""
        self.drain(out, edge=True, last=last)
        for spec, table in self._maps:
            now = time.monotonic_ns()
            if out.data(wire.MAP, spec["id"], now, table.read(), 0):
                for payload in table.evict(out.room):
                    out.data(wire.MAP, spec["id"], now, payload, 0)
        self._read_procs(out, first=False)
        self._send_cgroups(out)
        out.message(wire.TICK, time.monotonic_ns(), self._ticker.tick(out, self._selfcheck, ping))
        self._say_what_is_full(out)
        out.flush()

    def finish(self, out: Output, ping: tuple) -> None:
        """Shut the gate, send what is left."""
        if self._core:
            ticks.arm(self._core["santa_armed"], on=False)
            try:
                kernel.wait_for_programs()
            except OSError:  # with nohz_full
                time.sleep(_RUN_S)
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

    def _send_cgroups(self, out: Output) -> None:
        """The paths of the cgroups that were met since: after the records that name them, before the tick."""
        if self._cgroups is None:
            return
        for part in self._cgroups.fresh():
            if not out.data(wire.MAP, wire.CGROUPS, time.monotonic_ns(), part, 0):
                self._cgroups.forget()
        self._cgroups.make_room()

    def _say_what_is_full(self, out: Output) -> None:
        """Maps that had no room for something, each said once."""
        said = {trouble["code"] for trouble in self.troubles}
        if self._scope.mode == TREE and "scope_full" not in said:
            value = kernel.map_lookup(self._core["santa_tree_full"], b"\0\0\0\0", 8)
            if value and any(value):
                why = "the process tree has more processes than the elf can follow at once; some are not recorded"
                self._say(out, checks.trouble("scope_full", why, "record a cgroup, or the whole node"))
        if self._cgroups is not None and "cgroups_full" not in said and self._cgroups.left_out:
            why = f"more than {self._plan['core']['cgroups']} new cgroups came in a second; rows of some name none"
            self._say(out, checks.trouble("cgroups_full", why))

    def _say(self, out: Output, trouble: dict) -> None:
        self.troubles.append(trouble)
        out.message(wire.TROUBLE, time.monotonic_ns(), trouble)


def _allow_descriptors() -> None:
    """As many as may be: each perf event takes one on each CPU."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parts(files: dict) -> list:
    """The files in groups that fit in a frame each; one group even where there is no file."""
    parts: list[dict] = [{}]
    size, last = 0, ""
    for name, text in files.items():
        of = name.rpartition("/")[0]  # a process, or a cgroup: its files stay together
        if parts[-1] and size + len(text) > _PROC_FRAME and of != last:
            parts.append({})
            size = 0
        last = of
        parts[-1][name] = text
        size += len(name) + len(text) + 6
    return parts
