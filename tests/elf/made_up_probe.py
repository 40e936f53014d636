"""A probe made for one test: its folder, read as any other, and the plan that records it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from real_elf import Elf

from santabpf import wire
from santabpf.probes import load_probe
from santabpf.probes.source import plan

YAML = """\
name: planted
summary: For tests.
attach: [{attach}]
params:
  - {{name: hz, unit: count, default: 99, description: "how often"}}
btf:
  OFF_TASK_TGID: task_struct.tgid
{btf}
cost: none
kernels: any
sources: [tests]
tables:
  planted:
    source: ring
    ring_bytes: 1048576
    description: One row is one event.
    columns:
      - {{name: ts_ns, c: u64, kind: clock, unit: ns, description: "when"}}
      - {{name: tgid, c: s32, unit: id, description: "who"}}
      - {{name: kind, c: s32, unit: id, description: "what"}}
      - {{name: value, c: u64, unit: count, description: "how much"}}
"""
RECORD = np.dtype(
    [("length", "<u4"), ("page", "<u4"), ("ts_ns", "<u8"), ("tgid", "<i4"), ("kind", "<i4"), ("value", "<u8")]
)
PUT = """
static __always_inline int put(s32 kind, u64 value)
{
	struct planted_record *r = is_armed() ? planted_reserve() : 0;
	if (!r)
		return 0;
	r->tgid = bpf_get_current_pid_tgid() >> 32;
	r->kind = kind;
	r->value = value;
	planted_submit(r);
	return 0;
}
"""


def planted(folder: Path, attach: list[str], program: str, btf: dict[str, str] | None = None) -> dict[str, Any]:
    """The plan of a probe `planted` with these attach entries; its program has put(kind, value)."""
    probe = folder / "planted"
    probe.mkdir()
    lines = "\n".join(f"  {name}: {expression}" for name, expression in (btf or {}).items())
    entries = ", ".join(f'"{entry}"' for entry in attach)
    (probe / "probe.yaml").write_text(YAML.format(attach=entries, btf=lines))
    (probe / "probe.bpf.c").write_text(PUT + program)
    return plan([(load_probe(probe), {})])


def rows(elf: Elf) -> np.ndarray[Any, np.dtype[Any]]:
    """What it has put so far."""
    return np.frombuffer(b"".join(elf.payloads(wire.RING, "planted")), RECORD)
