"""A recording of this node while something known happens, decoded: for tests of probes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from real_elf import Elf

from santabpf import wire
from santabpf.decode import Decoder
from santabpf.tables import table_schema

PLANTS = Path(__file__).parent / "probes/plant"
Tables = Callable[[str], pa.Table]


def plant(name: str, *arguments: str) -> dict[str, Any]:
    """Run probes/plant/<name>.py as it would run on any node; what it says it planted."""
    done = subprocess.run(
        ["/usr/bin/python3", str(PLANTS / f"{name}.py"), *arguments], check=True, capture_output=True, timeout=60
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def recorded(plan: dict[str, Any], act: str | Callable[[], Any], *, wait_s: float = 0.3) -> tuple[Tables, Any]:
    """Tables by name, and what was planted. act: the name of a plant, or a function that acts and returns facts."""
    with Elf(plan) as elf:
        elf.until(wire.HELLO)
        elf.read(wait_s)
        facts = plant(act) if isinstance(act, str) else act()
        elf.read(wait_s)
        elf.finish()
        decoder = Decoder(plan, "node-1")
        batches = [
            batch
            for f in elf.frames
            for batch in decoder.feed(wire.pack(f.kind, f.table, f.seq, f.t_before, f.payload))
        ]
        batches += decoder.finish()
    assert decoder.ended is None
    assert [t["message"] for t in decoder.troubles] == []

    def table(name: str) -> pa.Table:
        return pa.Table.from_batches([b.rows for b in batches if b.table == name], table_schema(name).arrow)

    return table, facts
