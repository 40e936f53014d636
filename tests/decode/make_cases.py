"""Makes santabpf/probes/<probe>/cases/<kernel>/case.json: records that this kernel gave while a plant planted.

Run by hand, as root, when a probe's columns change: python tests/decode/make_cases.py [PROBE ...]. Only what the plant
itself did is recorded (a tree scope), a few records of each table are kept, and of the node only its class. Look at the
rows before they are committed: from then on they are what these bytes must become.
"""

from __future__ import annotations

import base64
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from real_elf import Elf  # noqa: E402

from santabpf import wire  # noqa: E402
from santabpf.decode import Decoder  # noqa: E402
from santabpf.probes import Probe, all_probes, parse_probe  # noqa: E402
from santabpf.probes.source import plan  # noqa: E402

KEEP = 4
PLANT_S = 60.0
CGROUP = Path("/sys/fs/cgroup/memory/santabpf-case")  # so that no row names a cgroup of this machine
WHOLE_NODE = ("drops",)  # counts by reason, of nobody in particular: a scope would leave out what comes in softirqs
GATE = """
import os, sys
sys.stdin.readline()
sys.path.append(os.path.dirname(sys.argv[1]))
exec(compile(open(sys.argv[1]).read(), "plant", "exec"), {"__name__": "__main__"})
"""


def capture(probe: Probe) -> dict[str, Any]:
    """The case of one probe. Raises AssertionError where the plant failed or nothing came."""
    plant = ROOT / "tests" / "probes" / "plant" / f"{probe.name}.py"
    spec = _spec(probe.name)
    gate = subprocess.Popen(
        ["/usr/bin/python3", "-c", GATE, str(plant)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert gate.stdin is not None
    CGROUP.mkdir(exist_ok=True)
    (CGROUP / "cgroup.procs").write_text(str(gate.pid))
    try:
        chosen = plan([parse_probe(spec)], scope=None if probe.name in WHOLE_NODE else {"tree": gate.pid})
        with Elf(chosen) as elf:
            elf.until(wire.HELLO, 120)
            elf.read(1.1)
            gate.stdin.write("go\n")
            gate.stdin.close()
            deadline = time.monotonic() + PLANT_S
            while gate.poll() is None and time.monotonic() < deadline:
                elf.read(0.2)
            assert gate.poll() == 0, f"{plant.name} ended with {gate.poll()}"
            elf.read(1.5)
            frames = elf.finish()
    finally:
        gate.kill()
        gate.wait()
        time.sleep(0.5)
        CGROUP.rmdir()
    hello = _hello(next(f for f in frames if f.kind == wire.HELLO).json())
    kept = [kept for table in chosen["probes"][0]["tables"] for kept in _kept(table, frames, hello["possible_cpus"])]
    assert kept, "the plant left nothing"
    if any(table.schema.needs_paths for table in probe.tables):
        kept += [_frame(f, f.payload) for f in frames if f.kind == wire.MAP and f.table == wire.CGROUPS]
    case = {"spec": spec, "hello": hello, "frames": kept}
    return {**case, "rows": json.loads(json.dumps(decoded(case, chosen)))}


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


def _hello(said: dict[str, Any]) -> dict[str, Any]:
    kernel = ".".join(platform.release().split(".")[:2])
    probes = {name: {**facts, "why": None, "missing": []} for name, facts in said["probes"].items()}
    return {**said, "hostname": "node", "boot_id": "0", "kernel": kernel, "memory_bytes": 1 << 30, "probes": probes}


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
    kernel = "linux-" + ".".join(platform.release().split(".")[:2])
    for name in sys.argv[1:] or [p.name for p in all_probes().values() if p.program]:
        probe = all_probes()[name]
        try:
            case = capture(probe)
        except (AssertionError, StopIteration, OSError, ModuleNotFoundError) as exc:
            print(f"{name}: no case: {exc}")
            continue
        folder = probe.folder / "cases" / kernel
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")
        print(f"{name}: {({t: len(r) for t, r in case['rows'].items()})}")


if __name__ == "__main__":
    main()
