"""Recording what a script of plant/ does, on this machine, and asking expect/ whether it is all there.

A script of plant/ is for any node: /usr/bin/python3 alone runs it; it does a known number of things and prints one
line of JSON that says which. The check() of the same name in expect/ looks for exactly these in the recording.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from santabpf.record import record

HERE = Path(__file__).parent
SOON_S = 60


def check_planted(name: str, folder: Path, *specs: str, **options: Any) -> dict[str, Any]:
    """Run plant/<name>.py while these probes record (the one of that name by default), then check; what it planted."""
    seconds, stop = threading.Semaphore(0), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(
            record, probes=specs or (name,), duration=None, out=folder / "recording", progress=False, stop=stop,
            segment_s=1, on_second=lambda *_: seconds.release(), **options,
        )  # fmt: skip
        try:
            assert seconds.acquire(timeout=SOON_S), recording.result(0)
            facts = run(HERE / "plant" / f"{name}.py")
            while seconds.acquire(blocking=False):
                pass
            for _ in range(2):  # the second in which it ended is over, and so is the one after it
                assert seconds.acquire(timeout=SOON_S)
        finally:
            stop.set()
        rec = recording.result(SOON_S)
    check = expectation(name)
    check(lambda table: rec[table].arrow(), facts)
    return facts


def run(script: Path) -> dict[str, Any]:
    """The facts that a script of plant/ prints."""
    done = subprocess.run(
        ["/usr/bin/python3", "-I", str(script)], stdout=subprocess.PIPE, timeout=SOON_S, check=True, text=True
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def expectation(name: str) -> Any:
    """The check() of expect/<name>.py."""
    spec = importlib.util.spec_from_file_location(f"expect_{name}", HERE / "expect" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.check
