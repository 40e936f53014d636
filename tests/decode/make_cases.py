"""Makes santabpf/probes/<probe>/cases/<kernel>/case.json: records that a kernel gave while plants planted.

Run by hand, as root, when a probe's columns change, for this kernel or for that of a guest (see tests/guest):

    python tests/decode/make_cases.py [--guest 6.1] [PROBE ...]

Only what the plants did is recorded (a tree scope), a few records of each table are kept, and of the node only
its class. Look at the rows before they are committed: from then on they are what these bytes must become.
"""

from __future__ import annotations

import base64
import json
import shlex
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from guest.image import image  # noqa: E402
from guest.machine import Guest  # noqa: E402
from probes import plants  # noqa: E402
from real_elf import Elf  # noqa: E402

from santabpf import wire  # noqa: E402
from santabpf.decode import Decoder  # noqa: E402
from santabpf.launch import COMMAND, PYTHON  # noqa: E402
from santabpf.probes import Probe, all_probes, parse_probe  # noqa: E402
from santabpf.probes.source import plan  # noqa: E402

KEEP = 4
CGROUP = Path("/sys/fs/cgroup/memory/santabpf-case")  # so that no row names a cgroup of this machine
WHOLE_NODE = ("drops",)  # counts by reason, of nobody in particular: a scope would leave out what comes in softirqs
#: Takes plants' names, one a line, and runs each in a child; says its process id first, and then how each ended.
GATE = plants.TAKE + """
print(os.getpid(), flush=True)
for name in iter(lambda: os.read(0, 64).decode().strip(), ""):
    child = os.fork()
    if child == 0:
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        os.dup2(0, 1)
        run(name)
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Node:
    """This machine, or a guest; gate is the process below which everything is planted."""

    def __init__(self, guest: Guest | None = None) -> None:
        self._ssh = [] if guest is None else ["ssh", "-F", str(guest.config), guest.node]
        self.gate = subprocess.Popen(
            self.command([PYTHON, "-c", GATE]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # fmt: skip
        self._say(struct.pack("<I", len(plants.zipped())) + plants.zipped())
        self.tgid = int(self._hear())
        if guest is None:
            CGROUP.mkdir(exist_ok=True)
            (CGROUP / "cgroup.procs").write_text(str(self.tgid))

    def command(self, argv: Iterable[str]) -> list[str]:
        """What runs this there."""
        return [*self._ssh, shlex.join(argv)] if self._ssh else list(argv)

    def plant(self, name: str) -> None:
        """Raises AssertionError where the plant fails."""
        self._say(name.encode() + b"\n")
        code = self._hear()
        assert int(code) == 0, f"{name}.py ended with {code}"

    def _say(self, what: bytes) -> None:
        assert self.gate.stdin is not None
        self.gate.stdin.write(what)

    def _hear(self) -> str:
        assert self.gate.stdout is not None
        return self.gate.stdout.readline().decode()


@contextmanager
def node(kernel: str) -> Iterator[Node]:
    """A guest with this kernel; this machine where there is no name."""
    guest = Guest(image(kernel)) if kernel else None
    try:
        there = Node(guest)
        try:
            yield there
        finally:
            there.gate.kill()
            there.gate.wait()
    finally:
        if guest is not None:
            guest.close()
        elif CGROUP.exists():
            time.sleep(0.5)
            CGROUP.rmdir()


def plants_of(probe: Probe) -> list[str]:
    """Those that fill its tables."""
    return [table.name for table in probe.tables if table.name in plants.names()] or [probe.name]


def capture(probes: list[Probe], where: Node) -> Iterator[tuple[Probe, str, dict[str, Any] | str]]:
    """(probe, kernel, its case or why there is none), of one recording of them all."""
    specs = {probe.name: _spec(probe.name) for probe in probes}
    whole_node = any(probe.name in WHOLE_NODE for probe in probes)
    scope = None if whole_node else {"tree": where.tgid}
    whole = plan([parse_probe(spec) for spec in specs.values()], scope=scope)
    failed: dict[str, str] = {}
    with Elf(whole, command=where.command(COMMAND)) as elf:
        elf.until(wire.HELLO, 600)
        elf.read(1.1)
        for probe in probes:
            for name in plants_of(probe):
                try:
                    elf.read_while(partial(where.plant, name))
                except AssertionError as exc:
                    failed[probe.name] = str(exc)
        elf.read(2.5)
        frames = elf.finish(120)
    hello = next(f for f in frames if f.kind == wire.HELLO).json()
    for probe in probes:
        try:
            assert probe.name not in failed, failed[probe.name]
            yield probe, _kernel(hello), _case(probe, specs[probe.name], scope, whole, hello, frames)
        except (AssertionError, StopIteration) as exc:
            yield probe, _kernel(hello), str(exc)


def _case(
    probe: Probe, spec: str, scope: dict[str, int] | None, whole: dict[str, Any], said: dict[str, Any],
    frames: list[wire.Frame],
) -> dict[str, Any]:  # fmt: skip
    """The case of one probe: its own frames, under the numbers that its tables have where it is recorded alone."""
    alone = plan([parse_probe(spec)], scope=scope)
    ids = {table["name"]: table["id"] for table in alone["probes"][0]["tables"]}
    own = next(entry for entry in whole["probes"] if entry["name"] == probe.name)
    hello = _hello(said, probe.name, ids)
    kept = [
        {**kept, "table": ids[table["name"]]}
        for table in own["tables"] for kept in _kept(table, frames, hello["possible_cpus"])
    ]  # fmt: skip
    assert kept, "the plant left nothing"
    if any(table.schema.needs_paths for table in probe.tables):
        kept += [_frame(f, f.payload) for f in frames if f.kind == wire.MAP and f.table == wire.CGROUPS]
    case = {"spec": spec, "hello": hello, "frames": kept}
    return {**case, "rows": json.loads(json.dumps(decoded(case, alone)))}


def decoded(case: dict[str, Any], chosen: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the frames of a case become, by table."""
    stream = wire.pack(wire.HELLO, 0, 0, case["hello"]["armed_ns"], case["hello"])
    for at, frame in enumerate(case["frames"], 1):
        stream += wire.pack(frame["kind"], frame["table"], at, frame["t_before"], base64.b64decode(frame["payload"]))
    stream += wire.pack(wire.BYE, 0, len(case["frames"]) + 1, case["hello"]["armed_ns"], {"reason": "asked"})
    decoder = Decoder(chosen, "node-1")
    batches = decoder.feed(stream) + decoder.finish("asked")
    assert not decoder.ended, decoder.ended
    own = {row["name"] for row in chosen["probes"][0]["tables"]}
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, batch in batches:
        if name in own:
            rows.setdefault(name, []).extend(batch.to_pylist())
    return rows


def _kernel(said: dict[str, Any]) -> str:
    return ".".join(said["kernel"].split(".")[:2])


def _hello(said: dict[str, Any], probe: str, ids: dict[str, int]) -> dict[str, Any]:
    probes = {probe: {**said["probes"][probe], "why": None, "missing": []}}
    tables = {name: {"id": number} for name, number in ids.items() if name in said["tables"]}
    own = {"hostname": "node", "boot_id": "0", "kernel": _kernel(said), "memory_bytes": 1 << 30}
    return {**said, **own, "probes": probes, "tables": tables}


def _kept(table: dict[str, Any], frames: list[wire.Frame], cpus: int) -> list[dict[str, Any]]:
    """A few records of a ring, from all over it; of a map the first and the last reading of a few keys."""
    mine = [f for f in frames if f.table == table["id"] and f.kind in (wire.RING, wire.MAP) and f.payload]
    if not mine:
        return []
    if table["source"] == "ring":
        stride = 8 + (table["record_bytes"] + 7) // 8 * 8
        records = [f.payload[at : at + stride] for f in mine for at in range(0, len(f.payload), stride)]
        some = records[:: max(1, len(records) // KEEP)][:KEEP]
        return [_frame(mine[-1], b"".join(some))]
    each = 1 if table.get("snapshot") else cpus
    stride = _padded(table["key_bytes"]) + each * _padded(table["value_bytes"])
    last = [mine[-1].payload[at : at + stride] for at in range(0, len(mine[-1].payload), stride)]
    some = last[:: max(1, len(last) // KEEP)][:KEEP]
    return [_frame(mine[0], b""), _frame(mine[-1], b"".join(some))] if mine[0] is not mine[-1] else []


def _padded(size: int) -> int:
    return (size + 7) // 8 * 8


def _frame(frame: wire.Frame, payload: bytes) -> dict[str, Any]:
    return {
        "kind": frame.kind, "table": frame.table, "t_before": frame.t_before,
        "payload": base64.b64encode(payload).decode(),
    }  # fmt: skip


def _spec(name: str) -> str:
    from importlib import import_module

    return str(getattr(import_module(f"probes.expect.{name}"), "SPEC", name))


def main() -> None:
    names = sys.argv[1:]
    kernel = names[1] if names[:1] == ["--guest"] else ""
    wanted = names[2:] if kernel else names
    chosen = [all_probes()[name] for name in wanted or [p.name for p in all_probes().values() if p.program]]
    with node(kernel) as where:
        for part in (False, True):
            probes = [probe for probe in chosen if (probe.name in WHOLE_NODE) is part]
            for probe, release, case in capture(probes, where) if probes else ():
                if isinstance(case, str):
                    print(f"{probe.name}: no case: {case}")
                    continue
                folder = probe.folder / "cases" / f"linux-{release}"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")
                print(f"{probe.name}: {({t: len(r) for t, r in case['rows'].items()})}")


if __name__ == "__main__":
    main()
